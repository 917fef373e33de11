import NIOCore
import SluiceModel
import SluiceReference
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

/// One loop and a real Redis, in real time.
@Suite("The deny cache", .timeLimit(.minutes(2)))
struct DenyCacheTests {
    static func engine(
        _ redis: RedisServer, _ rules: [Rule], refusals: Int = 1_024
    ) async throws -> EngineHarness {
        var settings = EngineHarness.settings(clock: .redis)
        settings.bounds.refusalsPerLoop = refusals
        return try await EngineHarness(redis: redis, rules: rules, settings: settings)
    }

    private static func check(
        _ engine: EngineHarness, cost: UInt64 = 1, mode: Mode = .check, eventID: String = "",
        _ entities: KeyValuePairs<String, String> = ["user": "u"]
    ) async throws -> WireCheckResponse {
        var request = ReferenceModel.Request("a", entities, cost: cost, mode: mode)
        request.eventID = Array(eventID.utf8)
        return try await engine.decide(request)
    }

    @Test("Refused again and again: Redis sees one request in a hundred at most")
    func fewRuns() async throws {
        let redis = try RedisServer()
        let engine = try await Self.engine(redis, [.perUser(max: 2, windowMs: 60_000)])
        for _ in 0..<2 { #expect(try await Self.check(engine).verdict == .allow) }
        let first = try await Self.check(engine)
        #expect(first.verdict == .deny && first.basis == .redis)
        let before = try await engine.run { $0.metrics.runs }
        for _ in 0..<40 {
            for outcome in try await engine.decide(Array(repeating: (.init("a", ["user": "u"]), nil), count: 50)) {
                guard case .response(let response) = outcome else { throw EngineHarness.Unanswered() }
                #expect(response.verdict == .deny)
                guard response.basis == .cache else { continue }
                #expect(response.trips.count == 1 && response.trips[0].rule == "r" && response.trips[0].used == 2)
                #expect(response.trips[0].max == 2 && response.trips[0].reason == .limit)
                #expect(response.trips[0].retryAfterMs <= first.retryAfterMs && response.trips[0].retryAfterMs > 40_000)
                #expect(response.retryAfterMs == response.trips[0].retryAfterMs)
                #expect(!response.hasTightest && response.generation == 1)
            }
        }
        #expect(try await engine.run { $0.metrics.runs } - before <= 20)
        let denied = try await engine.run { decider in
            decider.metrics.decisions[Int(Basis.cache.rawValue) * LoopMetrics.verdicts + Int(Verdict.deny.rawValue)]
        }
        #expect(denied >= 1_800)
        #expect(try await engine.run { $0.refusals.count(at: NIODeadline.now().uptimeNanoseconds) } <= 1)
        try await engine.shutDown()
    }

    @Test("Many in flight on one entity: when the second is over they do not all ask Redis")
    func noHerd() async throws {
        let redis = try RedisServer()
        let engine = try await Self.engine(redis, [.perUser(max: 1, windowMs: 60_000)])
        for _ in 0..<3 { _ = try await Self.check(engine) }
        let end = NIODeadline.now() + .milliseconds(3_500)
        var asked = 0
        var all = 0
        while NIODeadline.now() < end {
            let outcomes = try await engine.decide(Array(repeating: (.init("a", ["user": "u"]), nil), count: 300))
            for case .response(let response) in outcomes where response.basis == .redis { asked += 1 }
            all += outcomes.count
            try await Task.sleep(for: .milliseconds(5))
        }
        // Three times all of them, were it not for the one that asks before the others.
        #expect(asked > 0 && asked < 600, "\(asked) of \(all)")
        try await engine.shutDown()
    }

    @Test("It serves nothing that may pass: smaller weights, events, peeks, records, larger maxima, allowed entities")
    func serves() async throws {
        let redis = try RedisServer()
        var rule = Rule.perUser(max: 10, windowMs: 60_000)
        rule.overrides = [
            Override(
                conditions: [Condition(dimension: "tier", patterns: [Pattern("gold")])],
                effect: .limits([Limit(max: 100, windowMs: 60_000, text: "")])),
            Override(conditions: [Condition(dimension: "tier", patterns: [Pattern("test")])], effect: .exempt),
        ]
        let engine = try await Self.engine(redis, [rule])
        #expect(try await Self.check(engine, cost: 8).verdict == .allow)
        #expect(try await Self.check(engine, cost: 5).basis == .redis)
        let same = try await Self.check(engine, cost: 5)
        #expect(same.basis == .cache && same.verdict == .deny && same.hasRetryAfterMs)
        let larger = try await Self.check(engine, cost: 7)
        #expect(larger.basis == .cache && larger.hasRetryAfterMs && larger.trips[0].hasRetryAfterMs)
        let never = try await Self.check(engine, cost: 11)
        #expect(never.basis == .cache && !never.hasRetryAfterMs && !never.trips[0].hasRetryAfterMs)

        #expect(try await Self.check(engine, cost: 5, mode: .peek).basis == .redis)
        #expect(try await Self.check(engine, cost: 5, eventID: "e").basis == .redis)
        let record = try await Self.check(engine, cost: 1, mode: .record)
        #expect(record.basis == .redis && record.verdict == .allow)
        let gold = try await Self.check(engine, cost: 5, ["user": "u", "tier": "gold"])
        #expect(gold.basis == .redis && gold.verdict == .allow)
        #expect(try await Self.check(engine, cost: 5, ["user": "u", "tier": "test"]).verdict == .allow)
        #expect(try await Self.check(engine, cost: 5, ["user": "v"]).verdict == .allow)
        let smaller = try await Self.check(engine, cost: 3)
        #expect(smaller.basis == .redis && smaller.verdict == .deny)
        #expect(try await Self.check(engine, cost: 3).basis == .cache)
        try await engine.shutDown()
    }

    @Test("Failures that guard logins: the check weighs 1, and refuses from the cache")
    func notCounted() async throws {
        let redis = try RedisServer()
        var rule = Rule.perUser(max: 3, windowMs: 60_000)
        rule.count = [Pattern("failed")]
        let engine = try await Self.engine(redis, [rule])
        _ = try await engine.decide(.init("failed", ["user": "u"], cost: 3, mode: .record))
        #expect(try await Self.check(engine, cost: 9).basis == .redis)
        // Its cost counts for nothing: it weighs as much.
        #expect(try await Self.check(engine, cost: 1).basis == .cache)
        try await engine.shutDown()
    }

    @Test(
        "Only enforced denials refuse, milder and shadow trips are told; a block that might begin is for Redis to see")
    func keeps() async throws {
        let redis = try RedisServer()
        func rule(_ name: String, _ action: String, _ limits: [Limit], shadow: Bool = false) -> Rule {
            Rule(name: name, check: [Pattern(action)], per: ["user"], limits: limits, shadow: shadow)
        }
        let one = Limit(max: 1, windowMs: 60_000, text: "one")
        let zero = Limit(max: 0, windowMs: 60_000, text: "zero")
        var five = Limit(max: 5, windowMs: 60_000, text: "five", blockForMs: [10_000])
        let rules = [
            rule("denies", "*", [one]), rule("shadow", "shadow", [zero], shadow: true),
            rule("reviews", "reviews", [Limit(max: 0, windowMs: 60_000, verdict: .review, text: "")]),
            rule("zero", "zero", [zero]),
            rule("may-block", "may-block", [five]),
        ]
        five.max = 1
        let blocking = rule("blocks", "blocks", [five])
        var all = rules + [blocking]
        all[0].check = ["shadow", "reviews", "zero", "may-block"].map { Pattern($0) }
        all[0].count = all[0].check
        let engine = try await Self.engine(redis, all)
        func answers(_ action: String) async throws -> [WireCheckResponse] {
            var answers: [WireCheckResponse] = []
            for _ in 0..<4 { answers.append(try await engine.decide(.init(action, ["user": action]))) }
            return answers
        }
        for action in ["shadow", "reviews"] {
            let all = try await answers(action)
            #expect(all.map(\.basis) == [.redis, .redis, .cache, .cache] && all[0].verdict != .deny, "\(action)")
            #expect(all[3].verdict == .deny && all[3].trips.map(\.rule) == ["denies", action], "\(action)")
            #expect(all[3].hasRetryAfterMs && all[3].trips[1].shadow == (action == "shadow"), "\(action)")
        }
        // In file order; what can never pass takes the answer's retry_after with it.
        let zeros = try await answers("zero")
        #expect(zeros[0].trips.map(\.rule) == ["zero"] && zeros[1].trips.map(\.rule) == ["zero"])
        #expect(zeros[1].basis == .cache && !zeros[1].hasRetryAfterMs)
        #expect(try await answers("may-block").allSatisfy { $0.basis == .redis })
        let blocks = try await answers("blocks")
        #expect(blocks.map(\.basis) == [.redis, .redis, .cache, .cache])
        #expect(blocks[3].trips[0].retryAfterMs > 50_000 && blocks[3].trips[0].reason == .blocked)
        try await engine.shutDown()
    }

    @Test("A milder trip that is kept refuses nobody by itself")
    func milder() async throws {
        let redis = try RedisServer()
        let reviews = Rule(
            name: "reviews", check: [Pattern("a")], per: ["ip"],
            limits: [Limit(max: 0, windowMs: 60_000, verdict: .review, text: "")])
        let engine = try await Self.engine(redis, [.perUser(max: 1, windowMs: 60_000), reviews])
        for _ in 0..<2 { _ = try await Self.check(engine, ["user": "u", "ip": "i"]) }
        let refused = try await Self.check(engine, ["user": "u", "ip": "i"])
        #expect(refused.basis == .cache && refused.trips.map(\.rule) == ["r", "reviews"])
        let other = try await Self.check(engine, ["user": "v", "ip": "i"])
        #expect(other.basis == .redis && other.verdict == .review)
        try await engine.shutDown()
    }

    @Test("The end of a block shorter than a second is Redis' to see, for the next one begins there")
    func shortBlocks() async throws {
        let redis = try RedisServer()
        let limit = Limit(max: 1, windowMs: 60_000, text: "", blockForMs: [100, 60_000])
        let engine = try await Self.engine(
            redis, [Rule(name: "r", check: [Pattern("a")], per: ["user"], limits: [limit])])
        let end = NIODeadline.now() + .milliseconds(400)
        var bases: Set<WireBasis> = []
        while NIODeadline.now() < end { bases.insert(try await Self.check(engine).basis) }
        #expect(bases == [.redis, .cache])
        let step = try await engine.inspect([("user", Array("u".utf8))], atMs: nil)[0].blockStep
        #expect(step == 2)
        try await engine.shutDown()
    }

    @Test(
        "An undo drops what it may have moved twice: for those behind it, and for those that asked before it was done")
    func undo() async throws {
        let redis = try RedisServer()
        let engine = try await Self.engine(
            redis, [.perUser(max: 1, windowMs: 60_000), Rule.perUser("other", check: "b", max: 1, windowMs: 60_000)])
        var event = ReferenceModel.Request("a", ["user": "u"])
        event.eventID = Array("e".utf8)
        #expect(try await engine.decide(event).verdict == .allow)
        for basis in [WireBasis.redis, .cache] { #expect(try await Self.check(engine).basis == basis) }
        let before = try await engine.run { $0.drops.current }
        // One tuple of entities, whatever the rules on it.
        #expect(try await engine.undo(event, atMs: nil))
        #expect(try await engine.run { $0.drops.current } == before + 2)
        let after = try await Self.check(engine)
        #expect(after.basis == .redis && after.verdict == .allow)
        try await engine.shutDown()
    }

    @Test("Who comes back at retry_after is admitted, and not before, whoever said it")
    func retryAfter() async throws {
        let redis = try RedisServer()
        let engine = try await Self.engine(redis, [.perUser(max: 2, windowMs: 150)])
        var cached = 0
        for _ in 0..<12 {
            var response = try await Self.check(engine)
            while response.verdict == .allow { response = try await Self.check(engine) }
            // A few more times, so that most of what is said comes from the cache.
            for _ in 0..<3 where response.verdict == .deny { response = try await Self.check(engine) }
            guard response.verdict == .deny else { continue }
            if response.basis == .cache { cached += 1 }
            let back = NIODeadline.now() + .milliseconds(Int64(response.retryAfterMs))
            while NIODeadline.now() < back { try await Task.sleep(for: .microseconds(200)) }
            #expect(try await Self.check(engine).verdict == .allow)
        }
        #expect(cached >= 6)
        try await engine.shutDown()
    }

    @Test("Nothing is refused by the cache that Redis would admit: random traffic, each check behind a peek")
    func differential() async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededGenerator(seed: seed)
        let redis = try RedisServer()
        var sums = Rule.perUser("sum", max: 300, windowMs: 90)
        sums.measure = .sum
        var tiers = Rule.perUser("tiers", max: 6, windowMs: 120, exactUpTo: 0, slices: 5)
        tiers.overrides = [
            Override(
                conditions: [Condition(dimension: "tier", patterns: [Pattern("gold")])],
                effect: .limits([Limit(max: 12, windowMs: 120, text: "")]))
        ]
        let blocks = Rule(
            name: "blocks", check: [Pattern("b")], per: ["user"],
            limits: [Limit(max: 5, windowMs: 80, text: "", blockForMs: [40, 90])])
        let engine = try await Self.engine(redis, [.perUser(max: 4, windowMs: 60), sums, tiers, blocks], refusals: 24)
        let (end, last) = (NIODeadline.now() + .seconds(6), NIODeadline.now() + .seconds(60))
        var counts: [WireBasis: Int] = [:]
        var admitted = 0
        while NIODeadline.now() < end || NIODeadline.now() < last && min(admitted, counts[.cache] ?? 0) <= 100 {
            var request = ReferenceModel.Request(
                Bool.random(using: &random) ? "a" : "b", ["user": "u\(Int.random(in: 0..<6, using: &random))"])
            request.cost = UInt64.random(in: 1...3, using: &random)
            request.amount = UInt64.random(in: 0...90, using: &random)
            if Int.random(in: 0..<3, using: &random) == 0 { request.entities.append(("tier", Array("gold".utf8))) }
            if Int.random(in: 0..<20, using: &random) == 0 {
                // What an outcome adds, a peek sees as well.
                request.mode = .record
                _ = try await engine.decide(request)
            }
            request.mode = .peek
            let peek = try await engine.decide(request)
            request.mode = .check
            let response = try await engine.decide(request)
            counts[response.basis, default: 0] += 1
            if response.verdict == .allow { admitted += 1 }
            if peek.verdict != .deny {
                #expect(response.basis == .redis && response.verdict == .allow, "seed \(seed)")
            }
            guard response.basis == .cache else { continue }
            #expect(response.verdict == .deny, "seed \(seed)")
            for trip in response.trips {
                let same = peek.trips.first { $0.rule == trip.rule && $0.windowMs == trip.windowMs }
                #expect(same?.max == trip.max, "seed \(seed)")
            }
        }
        #expect(counts[.cache, default: 0] > 100 && admitted > 100, "\(counts) seed \(seed)")
        try await engine.shutDown()
    }
}
