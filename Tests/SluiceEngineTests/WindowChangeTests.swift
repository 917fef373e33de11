import SluiceModel
import SluiceReference
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

@Suite("A changed window starts from the old one's events", .timeLimit(.minutes(1)))
struct WindowChangeTests {
    private static let minute: UInt64 = 60_000
    private static let start: UInt64 = 1_700_000_000_000

    private static func rule(
        _ limits: [(max: UInt64, windowMs: UInt64)], overrides: [Override] = []
    ) -> Rule {
        Rule(
            name: "r", check: [Pattern("a")], per: ["user"],
            limits: limits.map { .init(max: $0.max, windowMs: $0.windowMs, text: "") },
            overrides: overrides)
    }

    private static func ask(_ engine: EngineHarness, _ atMs: UInt64, tier: String? = nil) async throws
        -> WireCheckResponse
    {
        let request: ReferenceModel.Request =
            tier.map { .init("a", ["user": "u", "tier": $0]) } ?? .init("a", ["user": "u"])
        return try await engine.decide(request, atMs: atMs)
    }

    private static func used(_ engine: EngineHarness, _ atMs: UInt64) async throws -> [UInt64] {
        try await engine.inspect([("user", Array("u".utf8))], atMs: atMs).map(\.used)
    }

    @Test("Longer, shorter, exact and sliced: what is in reach still counts, and the old field goes")
    func converted() async throws {
        let redis = try RedisServer()
        let connection = try RedisConnection(socket: redis.socket)
        for (round, change) in [
            (from: (5, 10 * Self.minute), to: (5, 60 * Self.minute), kept: 3),
            (from: (5, 60 * Self.minute), to: (5, 10 * Self.minute), kept: 2),
            (from: (500, 60 * Self.minute), to: (5, 10 * Self.minute), kept: 2),
            (from: (5, 60 * Self.minute), to: (500, 10 * Self.minute), kept: 2),
            (from: (500, 10 * Self.minute), to: (700, 60 * Self.minute), kept: 3),
        ].enumerated() as EnumeratedSequence<[(from: (UInt64, UInt64), to: (UInt64, UInt64), kept: UInt64)]> {
            var settings = EngineHarness.settings()
            settings.keyPrefix = "c\(round)"
            let before = try await EngineHarness(redis: redis, rules: [Self.rule([change.from])], settings: settings)
            for at in [0, 9 * Self.minute, 10 * Self.minute] {
                // The first is out of reach of ten minutes by the time of the edit, and of none longer.
                _ = try await Self.ask(before, Self.start + at)
            }
            try await before.shutDown()
            // An instance that was not there before the edit.
            let after = try await EngineHarness(redis: redis, rules: [Self.rule([change.to])], settings: settings)
            let now = Self.start + 12 * Self.minute
            #expect(try await Self.used(after, now) == [change.kept], "round \(round)")
            let key = "c\(round)1:{user=u}"
            #expect(try connection.command("HKEYS", key).elements.map(\.string) == ["r/\(change.from.1)"])
            let answer = try await Self.ask(after, now)
            #expect(answer.tightest.remaining == change.to.0 - change.kept - 1, "round \(round)")
            #expect(try connection.command("HKEYS", key).elements.map(\.string) == ["r/\(change.to.1)"])
            try await after.shutDown()
        }
    }

    @Test("An edit does not let through one more than the limit in any interval, whenever it comes")
    func neverMore() async throws {
        var random = SeededGenerator.announced()
        let redis = try RedisServer()
        for round in 0..<40 {
            var settings = EngineHarness.settings()
            settings.keyPrefix = "n\(round)"
            let max = UInt64.random(in: 1...6, using: &random)
            let windows = (0..<4).map { _ in UInt64.random(in: 1_000...20_000, using: &random) }
            let exactUpTo: UInt64 = Bool.random(using: &random) ? 64 : 0
            func rules(_ windowMs: UInt64) -> [Rule] {
                var rule = Self.rule([(max, windowMs)])
                rule.exactUpTo = exactUpTo
                rule.slices = 7
                return [rule]
            }
            let engine = try await EngineHarness(redis: redis, rules: rules(windows[0]), settings: settings)
            var admitted: [UInt64] = []
            var now = Self.start
            // What a shorter window had forgotten cannot be taken over.
            var knownFrom: UInt64 = 0
            for (generation, windowMs) in windows.enumerated() {
                if generation > 0 {
                    knownFrom = Swift.max(knownFrom, now - windows[generation - 1])
                    try await engine.replace(rules: rules(windowMs), generation: UInt64(generation + 1))
                }
                for _ in 0..<60 {
                    now += UInt64.random(in: 0...400, using: &random)
                    guard try await Self.ask(engine, now).verdict == .allow else { continue }
                    admitted.append(now)
                    let inWindow = admitted.filter { $0 + windowMs > now && $0 > knownFrom }.count
                    #expect(inWindow <= Int(max), "round \(round), \(windows), at \(now)")
                }
            }
            try await engine.shutDown()
        }
    }

    @Test("Another rule's write before the first use does not lose the events")
    func otherRuleWrites() async throws {
        let redis = try RedisServer()
        let engine = try await EngineHarness(redis: redis, rules: [Self.rule([(3, Self.minute)])])
        for _ in 0..<3 { _ = try await Self.ask(engine, Self.start) }
        let other = Rule(
            name: "other", check: [Pattern("b")], per: ["user"],
            limits: [.init(max: 9, windowMs: Self.minute, text: "")])
        try await engine.replace(rules: [Self.rule([(3, 2 * Self.minute)]), other], generation: 2)
        _ = try await engine.decide(.init("b", ["user": "u"]), atMs: Self.start)
        #expect(try await Self.ask(engine, Self.start).verdict == .deny)
        #expect(try await Self.ask(engine, Self.start + Self.minute + 1_000).verdict == .deny)
        try await engine.shutDown()
    }

    @Test("The base window edited while an override keeps the old one; and only what was before the edit is taken over")
    func overrideKeepsTheWindow() async throws {
        let redis = try RedisServer()
        let gold = Override(
            conditions: [Condition(dimension: "tier", patterns: [Pattern("gold")])],
            effect: .limits([.init(max: 100, windowMs: Self.minute, text: "")]))
        let engine = try await EngineHarness(redis: redis, rules: [Self.rule([(3, Self.minute)], overrides: [gold])])
        for _ in 0..<2 { _ = try await Self.ask(engine, Self.start) }
        let edited = [Self.rule([(3, 2 * Self.minute)], overrides: [gold])]
        try await engine.replace(rules: edited, generation: 2, births: ["r/120000": Self.start + 5_000])
        // Counted for the override alone.
        for _ in 0..<5 { _ = try await Self.ask(engine, Self.start + 6_000, tier: "gold") }
        let answer = try await Self.ask(engine, Self.start + 7_000)
        #expect(answer.verdict == .allow)
        #expect(answer.tightest.remaining == 0)
        try await engine.shutDown()
    }

    @Test("Two instances of two files, writing in turns, never start from nothing; nor does a rollback")
    func rollingUpdate() async throws {
        let redis = try RedisServer()
        let old = try await EngineHarness(redis: redis, rules: [Self.rule([(8, 10 * Self.minute)])])
        let new = try await EngineHarness(redis: redis, rules: [Self.rule([(8, 60 * Self.minute)])])
        for turn in 0..<8 {
            let answer = try await Self.ask(turn.isMultiple(of: 2) ? old : new, Self.start + UInt64(turn))
            #expect(answer.tightest.remaining == UInt64(7 - turn))
        }
        #expect(try await Self.ask(old, Self.start + 9).verdict == .deny)
        #expect(try await Self.ask(new, Self.start + 9).verdict == .deny)
        try await new.replace(rules: [Self.rule([(8, 10 * Self.minute)])], generation: 2)
        #expect(try await Self.ask(new, Self.start + 10).verdict == .deny)
        try await old.shutDown()
        try await new.shutDown()
    }

    @Test("A rollback beside an override with a window of its own finds what was counted meanwhile")
    func rollbackBesideOverride() async throws {
        let redis = try RedisServer()
        let gold = Override(
            conditions: [Condition(dimension: "tier", patterns: [Pattern("gold")])],
            effect: .limits([.init(max: 100, windowMs: 30 * Self.minute, text: "")]))
        func rules(_ minutes: UInt64) -> [Rule] { [Self.rule([(4, minutes * Self.minute)], overrides: [gold])] }
        let engine = try await EngineHarness(redis: redis, rules: rules(10))
        for _ in 0..<2 { _ = try await Self.ask(engine, Self.start) }
        try await engine.replace(rules: rules(20), generation: 2)
        for _ in 0..<2 { #expect(try await Self.ask(engine, Self.start).verdict == .allow) }
        try await engine.replace(rules: rules(10), generation: 3)
        #expect(try await Self.ask(engine, Self.start).verdict == .deny)
        try await engine.shutDown()
    }

    @Test("A key that is deleted leaves nothing to start from")
    func reset() async throws {
        let redis = try RedisServer()
        let connection = try RedisConnection(socket: redis.socket)
        let engine = try await EngineHarness(redis: redis, rules: [Self.rule([(3, Self.minute)])])
        for _ in 0..<3 { _ = try await Self.ask(engine, Self.start) }
        try await engine.replace(rules: [Self.rule([(3, 2 * Self.minute)])], generation: 2)
        #expect(try await Self.used(engine, Self.start) == [3])
        try connection.command("DEL", "sluice1:{user=u}")
        #expect(try await Self.used(engine, Self.start) == [0])
        try await engine.shutDown()
    }

    @Test("The service records its windows, keeps their age over a restart, and takes the events over on a reload")
    func registry() async throws {
        let redis = try RedisServer()
        let connection = try RedisConnection(socket: redis.socket)
        func limits(_ window: String) -> String {
            """
            version: 1
            rules:
              - name: orders
                check: checkout
                per: [merchant]
                limits: [ { max: 3, window: \(window) } ]
                overrides: [ { tier: gold, limits: [ { max: 50, window: 10m } ] } ]
            """
        }
        let url = "unix://\(redis.socket)"
        let service = try await ServiceProcess.start(
            limits: limits("10m"), redis: url, settings: "reload: { watch: false }\n")
        let first = try connection.command("HGETALL", "sluice1:windows").elements.map(\.string)
        #expect(first.first == "orders/600000")
        func checkout(_ service: ServiceProcess) async throws -> WireCheckResponse {
            try await service.withClient {
                try await $0.check(WireCheckRequest(action: "checkout", entities: [WireEntity("merchant", "m")]))
            }
        }
        for _ in 0..<2 { _ = try await checkout(service) }
        try await Task.sleep(for: .milliseconds(20))
        try service.write(limits: limits("1h"))
        #expect(try await service.withClient("admin") { try await $0.reload() }.generation == 2)
        #expect(try await checkout(service).tightest.remaining == 0)
        #expect(
            Set(try connection.command("HKEYS", "sluice1:windows").elements.map(\.string)) == [
                "orders/600000", "orders/3600000",
            ])
        let other = try await ServiceProcess.start(limits: limits("1h"), redis: url)
        #expect(try await checkout(other).verdict == .deny)
        let again = try connection.command("HGETALL", "sluice1:windows").elements.map(\.string)
        #expect(zip(again, again.dropFirst()).contains { $0 == (first[0], first[1]) })
        #expect(try connection.command("PTTL", "sluice1:windows").number > 90 * 86_400_000)
    }
}
