import NIOCore
import SluiceModel

/// The busiest and the most refused entities of one event loop, by a sketch for each dimension of the rules.
///
/// A request costs the loop a countdown; one in so many is sampled, so that at most about `samplesPerSecond` are. What a
/// sample says goes into a log, and from there into the sketches once the answers are on their way.
struct TopSketches: Sendable {
    static let samplesPerSecond: UInt64 = 2_000
    static let capacity = 256
    /// Dimensions beyond these have no sketch.
    static let mostDimensions = 32
    /// Bytes of values that wait for the sketches; more are not sampled.
    private static let mostLogged = 1 << 20
    /// Sketches are put aside after so long, and forgotten after twice as long.
    static let period = TimeAmount.seconds(60)

    private struct Sketches: Sendable {
        var busy = SpaceSaving(capacity: TopSketches.capacity)
        var refused = SpaceSaving(capacity: TopSketches.capacity)
    }

    private struct Sample: Sendable {
        var dimension: Int
        var value: [UInt8]
        var weight: UInt64
        var isRefused: Bool
    }

    /// One request's entities on their way to the answer.
    struct Pending: Sendable {
        fileprivate var entities: [(dimension: Int, value: [UInt8])]
        fileprivate var weight: UInt64
    }

    private(set) var dimensions: [String] = []
    private var current: [Sketches] = []
    private var previous: [Sketches] = []
    private var began = NIODeadline.now()
    private var hasPrevious = false
    private var log: [Sample] = []
    private var loggedBytes = 0

    // One in `interval` is sampled.
    private var interval: UInt64 = 1
    private var countdown: UInt64 = 1
    private var seen: UInt64 = 0
    private var secondBegan = NIODeadline.now()
    private var random = SystemRandomNumberGenerator()

    /// Starts with the dimensions of another rule set; sketches of those that stay are kept.
    mutating func use(_ rules: RuleSet) {
        let next = Array(rules.dimensions.prefix(Self.mostDimensions))
        func kept(_ old: [Sketches]) -> [Sketches] {
            next.map { name in dimensions.firstIndex(of: name).map { old[$0] } ?? Sketches() }
        }
        (current, previous) = (kept(current), kept(previous))
        dimensions = next
        // Their dimension numbers are those of the rule set that was.
        log.removeAll()
        loggedBytes = 0
    }

    /// What the request that comes now names, if it is a sample; asked once for each.
    mutating func sample(_ request: RequestView, _ index: DimensionIndex) -> Pending? {
        takesNext() ? pending(request, index) : nil
    }

    private mutating func takesNext() -> Bool {
        seen &+= 1
        countdown &-= 1
        guard countdown == 0 else { return false }
        // Around the interval, not at it: what comes in step with it must not escape.
        countdown = interval == 1 ? 1 : UInt64.random(in: 1...(2 * interval - 1), using: &random)
        return loggedBytes < Self.mostLogged
    }

    /// Copies what a sampled request names.
    private func pending(_ request: RequestView, _ index: DimensionIndex) -> Pending {
        var entities: [(dimension: Int, value: [UInt8])] = []
        entities.reserveCapacity(dimensions.count)
        for dimension in dimensions.indices {
            if let value = index.value(dimension, of: request) { entities.append((dimension, Array(value))) }
        }
        return Pending(entities: entities, weight: interval)
    }

    /// Notes what became of a sampled request.
    mutating func note(_ pending: Pending, isRefused: Bool) {
        for (dimension, value) in pending.entities where dimension < dimensions.count {
            loggedBytes += value.count
            log.append(Sample(dimension: dimension, value: value, weight: pending.weight, isRefused: isRefused))
        }
    }

    /// Feeds the log to the sketches. Called when the answers of a turn are on their way.
    mutating func digest() {
        guard !log.isEmpty else { return }
        let now = NIODeadline.now()
        turn(at: now)
        for sample in log where sample.dimension < current.count {
            current[sample.dimension].busy.add(sample.value, weight: sample.weight)
            if sample.isRefused { current[sample.dimension].refused.add(sample.value, weight: sample.weight) }
        }
        log.removeAll(keepingCapacity: true)
        loggedBytes = 0
        let elapsed = (now - secondBegan).nanoseconds
        guard elapsed >= 1_000_000_000 else { return }
        let perSecond = Double(seen) * 1e9 / Double(elapsed)
        interval = max(1, UInt64(perSecond / Double(Self.samplesPerSecond)))
        (seen, secondBegan) = (0, now)
    }

    /// Puts sketches aside that are old enough.
    private mutating func turn(at now: NIODeadline) {
        let age = now - began
        guard age >= Self.period else { return }
        // After a long silence what was last counted is old as well.
        hasPrevious = age < .nanoseconds(2 * Self.period.nanoseconds)
        previous = hasPrevious ? current : current.map { _ in Sketches() }
        current = current.map { _ in Sketches() }
        began = now
    }

    /// The sketches of each dimension, and the time they are of.
    mutating func sketches(by rank: TopRank) -> (byDimension: [String: [SpaceSaving]], windowMs: UInt64) {
        let now = NIODeadline.now()
        turn(at: now)
        var all: [String: [SpaceSaving]] = [:]
        for (place, name) in dimensions.enumerated() {
            switch rank {
            case .busy: all[name] = [current[place].busy, previous[place].busy]
            case .refused: all[name] = [current[place].refused, previous[place].refused]
            }
        }
        let window = (now - began) + (hasPrevious ? Self.period : .zero)
        return (all, UInt64(clamping: window.nanoseconds / 1_000_000))
    }
}

/// What entities are ranked by.
enum TopRank: Sendable {
    /// Checks that named the entity.
    case busy
    /// Checks that named it and were denied.
    case refused
}
