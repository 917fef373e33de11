import NIOCore
import SluiceModel
import SluiceReference
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

/// Rules that count attempts beside one that refuses from the cache.
@Suite("Attempts refused by the deny cache are counted, all of them", .timeLimit(.minutes(2)))
struct DenyCacheAttemptsTests {
    private static func tries(
        _ name: String = "tries", max: UInt64 = 1_000_000, verdict: Verdict = .deny, measure: Measure = .count,
        per: [String] = ["user"], blockForMs: [UInt64] = []
    ) -> Rule {
        Rule(
            name: name, check: [Pattern("a")], per: per, measure: measure,
            limits: [Limit(max: max, windowMs: 60_000, verdict: verdict, text: "", blockForMs: blockForMs)],
            counting: .attempts)
    }

    private static let door = Rule.perUser("door", max: 2, windowMs: 60_000)

    private static func used(
        _ engine: EngineHarness, _ rule: String = "tries", _ entity: (String, String) = ("user", "u")
    ) async throws -> UInt64? {
        try await engine.inspect([(entity.0, Array(entity.1.utf8))], atMs: nil).first { $0.rule == rule }?.used
    }

    private static func request(
        cost: UInt64 = 1, amount: UInt64 = 0, _ user: String = "u"
    ) -> ReferenceModel.Request {
        ReferenceModel.Request(
            action: Array("a".utf8), entities: [("user", Array(user.utf8)), ("ip", Array("i".utf8))], cost: cost,
            amount: amount)
    }

    private static func decide(
        _ engine: EngineHarness, _ request: ReferenceModel.Request, times: Int
    ) async throws -> [WireCheckResponse] {
        try await engine.decide(Array(repeating: (request, nil), count: times)).map { outcome in
            guard case .response(let response) = outcome else { throw EngineHarness.Unanswered() }
            return response
        }
    }

    @Test("Counts, costs and amounts add up to what they would be, in few runs")
    func exact() async throws {
        let redis = try RedisServer()
        let engine = try await DenyCacheTests.engine(
            redis,
            [
                Self.door, Self.tries(), Self.tries("ips", per: ["ip"]), Self.tries("spent", measure: .sum),
            ])
        for _ in 0..<3 { _ = try await engine.decide(Self.request(cost: 1, amount: 10)) }
        let before = try await engine.run { $0.metrics.runs }
        let began = NIODeadline.now()
        var cached = 0
        for round in 0..<20 {
            let some = try await Self.decide(engine, Self.request(cost: UInt64(1 + round % 3), amount: 10), times: 100)
            cached += some.count { $0.basis == .cache }
            #expect(some.allSatisfy { $0.verdict == .deny && $0.trips.map(\.rule) == ["door"] })
        }
        let costs = 3 + (0..<20).reduce(0) { $0 + 100 * (1 + $1 % 3) }
        #expect(cached > 1_000)
        #expect(try await Self.used(engine) == UInt64(costs))
        #expect(try await Self.used(engine, "ips", ("ip", "i")) == UInt64(costs))
        #expect(try await Self.used(engine, "spent") == 20_030)
        #expect(try await Self.used(engine, "door") == 2)
        let elapsedMs = (NIODeadline.now() - began).nanoseconds / 1_000_000
        let runs = try await engine.run { $0.metrics.runs } - before
        #expect(Int64(runs) < 20 + elapsedMs / 5 + Int64(2_000 - cached))
        #expect(try await engine.run { $0.metrics.attemptsCoalesced } == UInt64(3 * cached))
        #expect(try await engine.run { $0.metrics.attemptsLost } == 0)
        try await engine.shutDown()
    }

    @Test("They are sent soon, even if nobody asks for anything more, and once")
    func soon() async throws {
        let redis = try RedisServer()
        let engine = try await DenyCacheTests.engine(redis, [Self.door, Self.tries()])
        for _ in 0..<3 { _ = try await engine.decide(Self.request()) }
        let before = try await engine.run { $0.metrics.runs }
        #expect(try await Self.decide(engine, Self.request(), times: 7).allSatisfy { $0.basis == .cache })
        for _ in 0..<400 where try await engine.run({ $0.metrics.runs }) == before {
            try await Task.sleep(for: .milliseconds(5))
        }
        try await Task.sleep(for: .milliseconds(50))
        #expect(try await engine.run { $0.metrics.runs } == before + 1)
        // Another service sees them.
        let other = try await DenyCacheTests.engine(redis, [Self.door, Self.tries()])
        #expect(try await Self.used(other) == 10)
        #expect(try await engine.run { $0.waiting } == 0)
        try await engine.shutDown()
        try await other.shutDown()
    }

    @Test("What is judged by them finds those that came before it")
    func order() async throws {
        let redis = try RedisServer()
        let engine = try await DenyCacheTests.engine(redis, [Self.door, Self.tries(max: 20, verdict: .challenge)])
        var requests = Array(repeating: Self.request(), count: 3)
        _ = try await engine.decide(requests.map { ($0, nil) })
        requests = Array(repeating: Self.request(), count: 18)
        var peek = Self.request()
        peek.mode = .peek
        requests.insert(peek, at: 10)
        requests.append(peek)
        let answers = try await engine.decide(requests.map { ($0, nil) }).map { outcome in
            guard case .response(let response) = outcome else { throw EngineHarness.Unanswered() }
            return response
        }
        #expect(answers.count { $0.basis == .cache } == 18)
        #expect(answers[10].trips.map(\.rule) == ["door"])
        #expect(answers[19].trips.map(\.rule) == ["door", "tries"])
        #expect(answers[19].trips.last?.used == 21)
        try await engine.shutDown()
    }

    @Test("Other limits do not wait for what is counted elsewhere, and a new rule set finds everything counted")
    func replaced() async throws {
        let redis = try RedisServer()
        let rules = [Self.door, Self.tries()]
        let engine = try await DenyCacheTests.engine(redis, rules)
        for _ in 0..<3 { _ = try await engine.decide(Self.request()) }
        #expect(try await Self.decide(engine, Self.request(), times: 7).allSatisfy { $0.basis == .cache })
        try await engine.replace(rules: rules.reversed(), generation: 2)
        let after = try await engine.decide(Self.request())
        #expect(after.basis == .redis && after.generation == 2)
        #expect(try await Self.used(engine) == 11)
        try await engine.shutDown()
    }

    @Test("What cannot be made up for goes to Redis: sets, blocks, more entities than there is room for")
    func notCoalesced() async throws {
        let redis = try RedisServer()
        let sets = try await DenyCacheTests.engine(
            redis, [Self.door, Self.tries("sets", max: 1_000, measure: .distinct(dimension: "ip"))])
        for _ in 0..<3 { _ = try await sets.decide(Self.request()) }
        #expect(try await Self.decide(sets, Self.request(), times: 3).allSatisfy { $0.basis == .redis })
        try await sets.shutDown()

        let blocks = try await DenyCacheTests.engine(
            redis, [Self.door, Self.tries("blocks", max: 10, blockForMs: [60_000])])
        let answers = try await Self.decide(blocks, Self.request("blocked"), times: 12)
        #expect(answers.allSatisfy { $0.basis == .redis })
        let last = try await blocks.decide(Self.request("blocked"))
        #expect(last.trips.last?.rule == "blocks" && last.trips.last?.reason == .blocked)
        try await blocks.shutDown()

        let many = try await DenyCacheTests.engine(redis, [Self.door, Self.tries("many")], refusals: 4_096)
        let users = (0..<400).map { "m\($0)" }
        _ = try await many.decide(users.flatMap { Array(repeating: (Self.request($0), nil), count: 3) })
        let crowd = try await many.decide(users.map { (Self.request($0), nil) })
        let bases = crowd.compactMap { outcome -> WireBasis? in
            guard case .response(let response) = outcome else { return nil }
            return response.basis
        }
        #expect(bases.count { $0 == .cache } <= PendingAttempts.most && bases.contains(.cache))
        for user in users { #expect(try await Self.used(many, "many", ("user", user)) == 4) }
        // A cost that adds up beyond what one request may have.
        let dear = Self.request(cost: Caps.cost, "dear")
        let dearest = try await Self.decide(many, dear, times: 1) + Self.decide(many, dear, times: 5)
        #expect(dearest.allSatisfy { $0.verdict == .deny })
        #expect(try await Self.used(many, "many", ("user", "dear")) == 6 * Caps.cost)
        try await many.shutDown()
    }

    @Test("Those that Redis is lost with are lost, and said to be")
    func lost() async throws {
        let redis = try RedisServer()
        let engine = try await DenyCacheTests.engine(redis, [Self.door, Self.tries()])
        for _ in 0..<3 { _ = try await engine.decide(Self.request()) }
        redis.freeze()
        #expect(try await Self.decide(engine, Self.request(), times: 7).allSatisfy { $0.basis == .cache })
        try await Task.sleep(for: .milliseconds(30))
        #expect(try await Self.decide(engine, Self.request(), times: 5).allSatisfy { $0.basis == .cache })
        redis.stop()
        for _ in 0..<400 where try await engine.run({ $0.queues[0].link.isConnected }) {
            try await Task.sleep(for: .milliseconds(5))
        }
        try await Task.sleep(for: .milliseconds(30))
        let (coalesced, lost) = try await engine.run { ($0.metrics.attemptsCoalesced, $0.metrics.attemptsLost) }
        #expect(coalesced == 12 && lost == 12)
        #expect(try await engine.run { $0.attempts.isEmpty })
        try await engine.shutDown()
    }

    @Test("Those whose counter cannot be read are lost, too")
    func unreadable() async throws {
        let redis = try RedisServer()
        let engine = try await DenyCacheTests.engine(redis, [Self.door, Self.tries(per: ["ip"])])
        for _ in 0..<3 { _ = try await engine.decide(Self.request()) }
        let look = try RedisConnection(socket: redis.socket)
        try look.command("HSET", "sluice1:{ip=i}", "tries/60000", "?")
        #expect(try await Self.decide(engine, Self.request(), times: 7).allSatisfy { $0.basis == .cache })
        for _ in 0..<400 where try await engine.run({ $0.metrics.attemptsLost }) < 7 {
            try await Task.sleep(for: .milliseconds(5))
        }
        #expect(try await engine.run { $0.metrics.attemptsLost } == 7)
        try await engine.shutDown()
    }
}
