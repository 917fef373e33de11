import SluiceModel
import SluiceReference
import SluiceWire
import TestSupport

@testable import SluiceEngine

/// Visits every state that a scope's operations lead to, breadth first: so every sequence of them is tried without
/// playing it from its beginning, and what is found wrong first is a shortest sequence that shows it.
///
/// Each state lies in Redis under a user of its own, and what comes after it begins with a copy. Its model knows one user
/// alone. Scripts and model do the same at any time but for where in a tick it is, so states that differ by nothing else
/// are one.
final class SmallScopeSearch {
    /// What model and Redis do not agree on, and how one gets there.
    struct Disagreement: Error, CustomStringConvertible {
        var path: [String]
        var model: String
        var redis: String

        var description: String { "\(path.joined(separator: "; "))\nmodel \(model)\nRedis \(redis)" }
    }

    private struct Place {
        var user: String
        var nowMs: UInt64
        var model: ReferenceModel
        var path: [SmallScope.Operation]
    }

    /// How full one limit is, and how long its tuple is blocked.
    private struct Seen: Hashable {
        var used: UInt64
        var resetMs: UInt64
        var blockedMs: UInt64
        var blockStep: Int
    }

    private static let prefix = "small"
    /// Places whose operations are tried together.
    private static let together = 40

    private let scope: SmallScope
    private let events: [ReferenceModel.Request]
    private let redis: RedisServer
    private let look: RedisConnection
    private let engine: EngineHarness
    /// What each state looks like to an operator.
    private var known: [SmallScopeState: [Seen]] = [:]
    private var users = 0
    private(set) var edges = 0
    var states: Int { known.count }

    /// - Parameter scripts: what Redis decides with.
    init(_ scope: SmallScope, scripts: [[UInt8]] = LoadedScript.ofOne) async throws {
        self.scope = scope
        events = scope.events
        redis = try RedisServer()
        look = try RedisConnection(socket: redis.socket)
        var settings = EngineHarness.settings()
        settings.keyPrefix = Self.prefix
        settings.bounds.requestsPerRun = 256
        engine = try await EngineHarness(redis: redis, rules: scope.rules, settings: settings, scripts: scripts)
        try await engine.replace(rules: scope.rules, generation: 1, eventMemoryMs: scope.eventMemoryMs)
    }

    /// - Throws: the first disagreement.
    func run() async throws {
        let model = ReferenceModel(rules: scope.rules, eventMemoryMs: scope.eventMemoryMs)
        var layer = [Place(user: nextUser(), nowMs: 1_000_000, model: model, path: [])]
        for depth in 1...scope.depth {
            var next: [Place] = []
            for start in stride(from: 0, to: layer.count, by: Self.together) {
                let some = layer[start..<min(start + Self.together, layer.count)]
                next += try await tryAll(from: some, isLast: depth == scope.depth)
            }
            layer = next
        }
        try await engine.shutDown()
    }

    private func nextUser() -> String {
        users += 1
        let digits = String(users)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    // MARK: - One step

    /// Tries every operation at each of these places; returns where they lead that has not been seen before.
    private func tryAll(from places: ArraySlice<Place>, isLast: Bool) async throws -> [Place] {
        var steps: [(from: Place, to: Place)] = places.flatMap { place in
            scope.operations.map { operation in
                var next = place
                next.user = nextUser()
                next.nowMs = UInt64(Int(place.nowMs) + operation.afterMs)
                next.path.append(operation)
                return (place, next)
            }
        }
        // A script run takes requests while time does not go back.
        steps.sort { $0.to.nowMs < $1.to.nowMs }
        edges += steps.count
        try copy(steps.map { ($0.from.user, $0.to.user) })
        try await operate(&steps)

        let found = try read(steps.map(\.to))
        var fresh: [Place] = []
        var looks: [(Place, [Seen])] = []
        for (state, step) in zip(found, steps) {
            let place = step.to
            let expected = place.model.inspect(Self.entities(Self.modelUser), atMs: place.nowMs).map {
                Seen(used: $0.used, resetMs: $0.resetMs, blockedMs: $0.blockedMs, blockStep: $0.blockStep)
            }
            if let before = known[state] {
                try agree(before, expected, at: place)
            } else {
                known[state] = expected
                looks.append((place, expected))
                if !isLast { fresh.append(place) }
            }
        }
        try await inspect(looks)
        return fresh
    }

    /// Does each step's operation in Redis and in its model.
    private func operate(_ steps: inout [(from: Place, to: Place)]) async throws {
        var calls: [(request: ReferenceModel.Request, atMs: UInt64?)] = []
        var positions: [Int] = []
        for index in steps.indices {
            let place = steps[index].to
            switch place.path.last!.kind {
            case .decide(var request):
                request.entities += Self.entities(place.user)
                calls.append((request, place.nowMs))
                positions.append(index)
            case .undo(var event, let cost, let amount):
                event.entities += Self.entities(place.user)
                let undone = try await engine.undo(event, cost: cost, amount: amount, atMs: place.nowMs)
                event.entities[event.entities.count - 1].value = Array(Self.modelUser.utf8)
                let expected = steps[index].to.model.undo(
                    action: event.action, entities: event.entities, eventID: event.eventID, cost: cost, amount: amount,
                    atMs: place.nowMs)
                try agree(undone, expected, at: place)
            }
        }
        for (index, outcome) in zip(positions, try await engine.decide(calls)) {
            let place = steps[index].to
            guard case .response(let response) = outcome, case .decide(var request) = place.path.last!.kind else {
                throw Disagreement(path: place.path.map(\.description), model: "", redis: "\(outcome)")
            }
            request.entities += Self.entities(Self.modelUser)
            let expected = steps[index].to.model.decide(request, atMs: place.nowMs)
            guard response.basis == .redis else {
                throw Disagreement(path: place.path.map(\.description), model: "", redis: "\(response)")
            }
            try agree(ReferenceModel.Decision(response), expected, at: place)
        }
    }

    private func inspect(_ looks: [(place: Place, expected: [Seen])]) async throws {
        let engine = engine
        let seen = try await withThrowingTaskGroup(of: (Int, [EngineHarness.Inspected]).self) { group in
            for (index, look) in looks.enumerated() {
                let (user, nowMs) = (look.place.user, look.place.nowMs)
                group.addTask { (index, try await engine.inspect(Self.entities(user), atMs: nowMs)) }
            }
            return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        for (index, look) in looks.enumerated() {
            let found = (seen[index] ?? []).map {
                Seen(used: $0.used, resetMs: $0.resetMs, blockedMs: $0.blockedMs, blockStep: Int($0.blockStep))
            }
            try agree(found, look.expected, at: look.place)
        }
    }

    private func agree<T: Equatable>(_ redis: T, _ model: T, at place: Place) throws {
        guard redis != model else { return }
        throw Disagreement(path: place.path.map(\.description), model: "\(model)", redis: "\(redis)")
    }

    // MARK: - In Redis

    private static let modelUser = "the model's"

    private static func entities(_ user: String) -> [(dimension: String, value: [UInt8])] {
        [("user", Array(user.utf8))]
    }

    /// The keys that a user's state lies in: of the hash, and of each event.
    private func keys(of user: String) throws -> [[UInt8]] {
        try [Array("\(Self.prefix)1:{user=\(user)}".utf8)]
            + events.map { event in
                var event = event
                event.entities += Self.entities(user)
                return try EngineHarness.eventKey(of: event, keyPrefix: Self.prefix)
            }
    }

    /// An event names the hash that its weights went to, whose names are all of one length.
    private static let copyScript = """
        local n = tonumber(ARGV[1])
        for i = 1, #KEYS, 2 * n do
          local from, to = KEYS[i], KEYS[i + n]
          redis.call('COPY', from, to)
          for j = i + 1, i + n - 1 do
            local value = redis.call('GET', KEYS[j])
            if value then
              local at = string.find(value, from, 1, true)
              while at do
                value = string.sub(value, 1, at - 1) .. to .. string.sub(value, at + #to)
                at = string.find(value, from, at, true)
              end
              redis.call('SET', KEYS[j + n], value, 'PX', redis.call('PTTL', KEYS[j]))
            end
          end
        end
        """

    private func copy(_ users: [(from: String, to: String)]) throws {
        let pairs = try users.flatMap { try keys(of: $0.from) + keys(of: $0.to) }
        try command(Self.copyScript, pairs, String(events.count + 1))
    }

    private static let readScript = """
        local n, all = tonumber(ARGV[1]), {}
        for i = 1, #KEYS, n do
          all[#all + 1] = redis.call('HGETALL', KEYS[i])
          for j = i + 1, i + n - 1 do all[#all + 1] = redis.call('GET', KEYS[j]) end
        end
        return all
        """

    private func read(_ places: [Place]) throws -> [SmallScopeState] {
        let count = events.count + 1
        let replies = try command(Self.readScript, try places.flatMap { try keys(of: $0.user) }, String(count)).elements
        return places.enumerated().map { index, place in
            let hash = replies[index * count].elements.map(\.bytes)
            let fields = stride(from: 0, to: hash.count, by: 2).map { (hash[$0], hash[$0 + 1]) }
            let events = replies[(index * count + 1)..<((index + 1) * count)].map { $0 == .null ? nil : $0.bytes }
            return SmallScopeState(
                fields: fields, events: events, atMs: place.nowMs, longestTickMs: scope.longestTickMs)
        }
    }

    @discardableResult
    private func command(_ script: String, _ keys: [[UInt8]], _ argument: String) throws -> RedisConnection.Value {
        let words = ["EVAL", script, String(keys.count)].map { Array($0.utf8) } + keys + [Array(argument.utf8)]
        let reply = try look.command(words)
        if case .error(let error) = reply { throw Disagreement(path: [], model: "", redis: error) }
        return reply
    }
}
