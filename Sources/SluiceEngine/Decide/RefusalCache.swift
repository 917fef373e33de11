import Foundation
import SluiceModel

/// The deny cache of one event loop: which limits are known to refuse an entity, and until when.
///
/// Set-associative with a fixed number of places; in a full set the refusal that ends first makes room. Sets are chosen
/// by a keyed hash, entities are told apart by all the bytes of their keys. Its memory is reserved once, and what was never
/// written to takes none.
///
/// It holds nothing that is not true: a counter of admitted requests can only grow until its pairs leave the window, and
/// the script has said when that is. What can make it shrink before (`RefusalDrops`) voids the refusal.
final class RefusalCache {
    /// Nothing is refused longer than this without asking Redis: others' resets take that long at most.
    static let longestMs: UInt64 = 1_000
    /// How long before that one request asks Redis, while the others are still refused: a reply takes less.
    static let scoutMs: UInt64 = 100
    /// Longer keys are not kept: their requests go to Redis.
    static let longestKey = 256
    private static let ways = 8
    private static let variantEnds = 1_024
    /// Of `Refusal.passesAt`: the request can never pass.
    static let never = UInt64.max

    /// Times are nanoseconds of the clock of `NIODeadline`.
    struct Refusal {
        var variant: Int32
        var limit: UInt8
        var isBlocked: Bool
        /// What the refused request weighed: what weighs less may pass.
        var weight: UInt64
        var used: UInt64
        /// When the same request would pass, or `never`.
        var passesAt: UInt64
        /// Until when it is served.
        var until: UInt64
        /// From when one request is let through to Redis, so that the others need not all ask when it ends; or `never`.
        var scoutFrom: UInt64
        /// The last drop before its run was begun.
        var drop: UInt64
    }

    private struct Place {
        var refusal: Refusal
        var keyCount: UInt16
    }

    let capacity: Int
    private let setWays: Int
    private let setCount: Int
    let drops: RefusalDrops
    // Pointers that stay, for the way to an array in a property is longer than what is done there.
    /// Per place, what `tag` says of its key and variant; looked at first.
    private let tags: UnsafeMutablePointer<UInt64>
    /// Per place, until when its refusal is served; a place whose time is over is free.
    private let untils: UnsafeMutablePointer<UInt64>
    private let places: UnsafeMutablePointer<Place>
    private let keys: UnsafeMutableRawPointer
    /// The end of the last refusal: of each variant, or of a few that share one; and of all, behind them.
    private let ends: UnsafeMutablePointer<UInt64>
    /// What `find` found: the place of each limit.
    @exclusivity(unchecked) private var found = InlineArray<8, Int32>(repeating: -1)
    /// Set by `find` where it lets the request through though it holds.
    @exclusivity(unchecked) var isScouting = false

    /// Refusals that had to go before their time.
    private(set) var evictions: UInt64 = 0

    /// - Parameter capacity: how many refusals it holds, rounded down to whole sets of eight; 0: it keeps nothing.
    init(capacity: Int, drops: RefusalDrops) {
        setWays = min(capacity, Self.ways)
        setCount = capacity == 0 ? 0 : capacity / setWays
        self.capacity = setCount * setWays
        self.drops = drops
        tags = Self.zeros(self.capacity)
        untils = Self.zeros(self.capacity)
        ends = Self.zeros(Self.variantEnds + 1)
        places = .allocate(capacity: self.capacity)
        keys = .allocate(byteCount: self.capacity * Self.longestKey, alignment: 8)
    }

    deinit {
        free(tags)
        free(untils)
        free(ends)
        places.deallocate()
        keys.deallocate()
    }

    private static func zeros(_ count: Int) -> UnsafeMutablePointer<UInt64> {
        guard let memory = calloc(max(count, 1), MemoryLayout<UInt64>.stride) else { fatalError("out of memory") }
        return memory.bindMemory(to: UInt64.self, capacity: count)
    }

    /// Empties it, for another rule set.
    func reset() {
        untils.update(repeating: 0, count: capacity)
        ends.update(repeating: 0, count: Self.variantEnds + 1)
    }

    /// Whether nothing is refused any more: all that it costs where nothing is.
    func isOver(at now: UInt64) -> Bool { ends[Self.variantEnds] <= now }

    /// Whether any entity may still be refused by this variant.
    func mayRefuse(_ variant: Int32, at now: UInt64) -> Bool { ends[Self.end(of: variant)] > now }

    private static func end(of variant: Int32) -> Int { Int(variant) & (variantEnds - 1) }

    /// Refusals that are served at `now`.
    func count(at now: UInt64) -> Int {
        isOver(at: now) ? 0 : (0..<capacity).reduce(0) { $0 + (untils[$1] > now ? 1 : 0) }
    }

    // MARK: - Finding

    /// The limits of `variant` that refuse a request of this weight, as bits; `refusal(by:)` tells each.
    func find(_ key: UnsafeRawBufferPointer, hash: UInt64, variant: Int32, weight: UInt64, at now: UInt64) -> UInt8 {
        guard capacity > 0 else { return 0 }
        let tag = Self.tag(hash, variant)
        var limits: UInt8 = 0
        for place in set(of: tag) where tags[place] == tag && untils[place] > now {
            let refusal = places[place].refusal
            guard refusal.variant == variant, weight >= refusal.weight, holds(key, at: place) else { continue }
            guard !drops.hasDropped(hash, after: refusal.drop) else {
                untils[place] = 0
                continue
            }
            if now >= refusal.scoutFrom, weight == refusal.weight {
                places[place].refusal.scoutFrom = Self.never
                isScouting = true
            }
            limits |= 1 << refusal.limit
            found[Int(refusal.limit)] = Int32(place)
        }
        return limits
    }

    /// A refusal that the last `find` found.
    func refusal(by limit: Int) -> Refusal { places[Int(found[limit])].refusal }

    // MARK: - Keeping

    func keep(_ refusal: Refusal, for key: UnsafeRawBufferPointer, at now: UInt64) {
        guard capacity > 0, key.count <= Self.longestKey, refusal.until > now else { return }
        let hash = drops.hash(key)
        guard !drops.hasDropped(hash, after: refusal.drop) else { return }
        let tag = Self.tag(hash, refusal.variant)
        var chosen = -1
        for place in set(of: tag) {
            if tags[place] == tag, untils[place] > now, places[place].refusal.limit == refusal.limit,
                places[place].refusal.variant == refusal.variant, holds(key, at: place)
            {
                let other = places[place].refusal
                // What refuses the lighter request refuses this one too; but not if it was dropped.
                if other.weight < refusal.weight, !drops.hasDropped(hash, after: other.drop) { return }
                chosen = place
                untils[place] = 0
                break
            }
            if chosen < 0 || untils[place] < untils[chosen] { chosen = place }
        }
        if untils[chosen] > now { evictions &+= 1 }
        tags[chosen] = tag
        untils[chosen] = refusal.until
        (places + chosen).initialize(to: Place(refusal: refusal, keyCount: UInt16(key.count)))
        (keys + chosen * Self.longestKey).copyMemory(from: key.baseAddress!, byteCount: key.count)
        let end = Self.end(of: refusal.variant)
        ends[end] = max(ends[end], refusal.until)
        ends[Self.variantEnds] = max(ends[Self.variantEnds], refusal.until)
    }

    /// Of a key and a variant: all the limits of a rule that refuse an entity lie in one set.
    private static func tag(_ hash: UInt64, _ variant: Int32) -> UInt64 {
        // A Weyl step for each variant, so that those of one entity lie in different sets.
        hash &+ UInt64(UInt32(bitPattern: variant)) &* 0x9E37_79B9_7F4A_7C15
    }

    private func set(of tag: UInt64) -> Range<Int> {
        let first = Int(tag.multipliedFullWidth(by: UInt64(setCount)).high) * setWays
        return first..<first + setWays
    }

    private func holds(_ key: UnsafeRawBufferPointer, at place: Int) -> Bool {
        Int(places[place].keyCount) == key.count
            && memcmp(key.baseAddress!, keys + place * Self.longestKey, key.count) == 0
    }
}
