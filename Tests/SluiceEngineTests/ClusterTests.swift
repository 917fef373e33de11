import NIOCore
import SluiceModel
import SluiceReference
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

@Suite("Deciding over the nodes of a cluster", .serialized)
struct ClusterTests {
    private static func rule(
        _ name: String, per: [String], max: UInt64, windowMs: UInt64 = 60_000, measure: Measure = .count,
        blockForMs: [UInt64] = [], counting: Counting = .admitted
    ) -> Rule {
        var rule = Rule(
            name: name, check: [Pattern("buy")], per: per,
            limits: [Limit(max: max, windowMs: windowMs, verdict: .deny, text: "\(max)", blockForMs: blockForMs)])
        rule.count = rule.check
        rule.measure = measure
        rule.counting = counting
        rule.onRedisFailure = .deny
        return rule
    }

    private static func engine(_ cluster: RedisCluster, _ rules: [Rule], clock: ServiceSettings.Clock = .redis)
        async throws -> EngineHarness
    {
        var settings = EngineHarness.settings(clock: clock)
        settings.keyPrefix = "t\(UInt32.random(in: 0 ... .max))-"
        settings.bounds.refusalsPerLoop = 0
        let engine = try await EngineHarness(
            target: try RedisTarget(url: cluster.url), rules: rules, settings: settings)
        try await engine.waitForRedis()
        return engine
    }

    private static func entities(_ pairs: (String, String)...) -> [(dimension: String, value: [UInt8])] {
        pairs.map { ($0.0, Array($0.1.utf8)) }
    }

    private static func used(_ engine: EngineHarness, _ dimension: String, _ value: String) async throws -> [UInt64] {
        try await engine.inspect([(dimension, Array(value.utf8))], atMs: nil).map(\.used)
    }

    @Test("Slots are those of the specification")
    func slots() {
        #expect(KeySlot.of(Array("123456789".utf8)) == 0x31C3)
        #expect(KeySlot.of(Array("sluice1:{user=u17}".utf8)) == KeySlot.of(Array("user=u17".utf8)))
        #expect(KeySlot.of(Array("{}x".utf8)) != KeySlot.of(Array("".utf8)))
    }

    @Test("Any node may be named, replicas too: they know who serves what")
    func replicasNamed() async throws {
        let cluster = try RedisCluster(primaries: 3, replicas: 1)
        let replicas = cluster.primaries().flatMap(cluster.replicas(of:)).map { cluster.addresses[$0] }
        #expect(replicas.count == 3)
        let engine = try await EngineHarness(
            target: try RedisTarget(url: "cluster://\(replicas.joined(separator: ","))"),
            rules: [Self.rule("users", per: ["user"], max: 1)], settings: EngineHarness.settings(clock: .redis))
        try await engine.waitForRedis()
        for user in 0..<20 {
            for verdict in [WireVerdict.allow, .deny] {
                let response = try await engine.decide(.init("buy", ["user": "u\(user)"]))
                #expect(response.basis == .redis && response.verdict == verdict)
            }
        }
        try await engine.shutDown()
    }

    /// One cluster for all that does not break it: it takes seconds to start.
    @Test("A request over several nodes is one request: refused by one it counts nowhere, and is undone everywhere")
    func overNodes() async throws {
        let cluster = try RedisCluster(primaries: 3, replicas: 0)
        try await reservations(cluster)
        try await blocks(cluster)
        try await events(cluster)
        try await likeTheModel(cluster)
        try await moves(cluster)
    }

    private func reservations(_ cluster: RedisCluster) async throws {
        let engine = try await Self.engine(
            cluster,
            [
                Self.rule("users", per: ["user"], max: 1_000), Self.rule("devices", per: ["device"], max: 1_000),
                Self.rule("spend", per: ["shop"], max: 1_000_000, measure: .sum),
                Self.rule("cards", per: ["user"], max: 100, measure: .distinct(dimension: "card")),
                Self.rule("tries", per: ["device"], max: 1_000, counting: .attempts),
                Self.rule("merchants", per: ["merchant"], max: 3),
            ])
        for merchant in 0..<30 {
            for number in 0..<5 {
                var request = ReferenceModel.Request("buy", [:])
                request.entities = Self.entities(
                    ("user", "u\(merchant)"), ("device", "d\(merchant)"), ("shop", "s\(merchant)"),
                    ("card", "c\(number)"), ("merchant", "m\(merchant)"))
                request.amount = 7
                let response = try await engine.decide(request)
                #expect(response.basis == .redis)
                #expect(response.verdict == (number < 3 ? .allow : .deny))
                #expect(response.trips.map(\.rule) == (number < 3 ? [] : ["merchants"]))
                #expect(response.hasRetryAfterMs == (number >= 3))
            }
            #expect(try await Self.used(engine, "user", "u\(merchant)") == [3, 3])
            #expect(try await Self.used(engine, "device", "d\(merchant)") == [3, 5])
            #expect(try await Self.used(engine, "shop", "s\(merchant)") == [21])
            #expect(try await Self.used(engine, "merchant", "m\(merchant)") == [3])
        }
        #expect(try await engine.run { $0.metrics.releasesLost } == 0)
        #expect(try await engine.run { $0.metrics.releases } > 0)
        #expect(try await engine.run { $0.waiting } == 0)
        try await engine.shutDown()
    }

    private func blocks(_ cluster: RedisCluster) async throws {
        let engine = try await Self.engine(
            cluster,
            [
                Self.rule("users", per: ["user"], max: 1, windowMs: 200, blockForMs: [60_000]),
                Self.rule("devices", per: ["device"], max: 100),
            ])
        for user in 0..<12 {
            let request = ReferenceModel.Request("buy", ["user": "u\(user)", "device": "d\(user)"])
            #expect(try await engine.decide(request).verdict == .allow)
            let refused = try await engine.decide(request)
            #expect(refused.trips.map(\.reason) == [.limit])
            try await Task.sleep(for: .milliseconds(20))
            let blocked = try await engine.decide(request)
            #expect(blocked.trips.map(\.reason) == [.blocked], "user \(user)")
            #expect(blocked.retryAfterMs > 50_000)
        }
        try await engine.shutDown()
    }

    private func events(_ cluster: RedisCluster) async throws {
        let engine = try await Self.engine(
            cluster,
            [
                Self.rule("users", per: ["user"], max: 100), Self.rule("devices", per: ["device"], max: 100),
                Self.rule("merchants", per: ["merchant"], max: 1, windowMs: 300),
            ])
        for user in 0..<12 {
            let keys: KeyValuePairs = ["user": "u\(user)", "device": "d\(user)", "merchant": "m\(user)"]
            var event = ReferenceModel.Request("buy", keys)
            event.eventID = Array("e\(user)".utf8)
            #expect(try await engine.decide(event).verdict == .allow)
            let again = try await engine.decide(event)
            #expect(again.duplicate && again.verdict == .allow)
            #expect(try await Self.used(engine, "user", "u\(user)") == [1])
            #expect(try await engine.undo(event, atMs: nil))
            #expect(try await Self.used(engine, "user", "u\(user)") == [0])
            #expect(try await Self.used(engine, "merchant", "m\(user)") == [0])
            #expect(try await engine.undo(event, atMs: nil) == false)
            // Refused by one, it is forgotten by the others, and decided anew once that one lets it pass.
            #expect(try await engine.decide(ReferenceModel.Request("buy", keys)).verdict == .allow)
            event.eventID = Array("f\(user)".utf8)
            let refused = try await engine.decide(event)
            #expect(refused.verdict == .deny && !refused.duplicate)
            let repeated = try await engine.decide(event)
            #expect(repeated.verdict == .deny && repeated.duplicate)
            #expect(try await Self.used(engine, "user", "u\(user)") == [1])
            try await Task.sleep(for: .milliseconds(Int(refused.retryAfterMs) + 5))
            let passed = try await engine.decide(event)
            #expect(passed.verdict == .allow && !passed.duplicate, "user \(user): \(passed)")
            #expect(try await Self.used(engine, "device", "d\(user)") == [2])
        }
        try await engine.shutDown()
    }

    /// Random requests, one at a time, by rules whose reservations can be given back to the last weight.
    private func likeTheModel(_ cluster: RedisCluster) async throws {
        var random = SeededGenerator.announced()
        var rules: [Rule] = []
        for (number, per) in [["user"], ["device"], ["merchant"], ["device", "user"], [], ["merchant"]].enumerated() {
            let max = UInt64.random(in: 1...12, using: &random)
            let sum: Measure = number % 3 == 2 ? .sum : .count
            rules.append(
                Self.rule(
                    "r\(number)", per: per, max: max, windowMs: [50, 400, 3_000].randomElement(using: &random)!,
                    measure: sum))
        }
        rules[1].shadow = true
        let engine = try await Self.engine(cluster, rules, clock: .request)
        var model = ReferenceModel(rules: rules)
        var nowMs: UInt64 = 1_000_000
        var refused = 0
        for step in 0..<1_500 {
            nowMs += UInt64.random(in: 0...30, using: &random)
            var request = ReferenceModel.Request("buy", [:])
            request.entities = ["user", "device", "merchant"].filter { _ in !random.oneIn(6) }.map {
                ($0, Array("\($0)\(Int.random(in: 0..<3, using: &random))".utf8))
            }
            request.cost = UInt64.random(in: 1...3, using: &random)
            request.amount = UInt64.random(in: 1...4, using: &random)
            request.mode = random.oneIn(8) ? .peek : .check
            model.beginRun()
            var expected = model.decide(request, atMs: nowMs)
            let response = try await engine.decide(request, atMs: nowMs)
            var seen = ReferenceModel.Decision(response)
            // Of a refused request only the nodes that refused it say what is left.
            if seen.verdict == .deny { (seen.tightest, expected.tightest) = (nil, nil) }
            guard seen == expected else {
                Issue.record(
                    "step \(step), seed \(random.seed): \(request) at \(nowMs):\nRedis \(seen)\nmodel \(expected)\nrules \(rules)"
                )
                break
            }
            if seen.verdict == .deny { refused += 1 }
        }
        #expect(refused > 100)
        try await engine.shutDown()
    }

    /// A slot that moves while it is used: every request is decided by Redis, and none above the limit.
    private func moves(_ cluster: RedisCluster) async throws {
        let max: UInt64 = 400
        let rules = [
            Self.rule("users", per: ["user"], max: max, windowMs: 600_000),
            Self.rule("devices", per: ["device"], max: 100_000),
        ]
        let engine = try await Self.engine(cluster, rules)
        let key = "\(engine.settings.keyPrefix)1:{user=hot}"
        let slot = KeySlot.of(Array(key.utf8))
        let source = try cluster.primary(ofSlot: slot)
        let target = cluster.nodes.indices.first { $0 != source }!
        var (admitted, failed, asked) = (UInt64(0), 0, 0)
        for round in 0..<60 {
            if round == 10 { try cluster.beginMove(ofSlot: slot, to: target) }
            if round == 25 { try cluster.moveKeys(ofSlot: slot) }
            if round == 40 { try cluster.finishMove(ofSlot: slot) }
            let calls = (0..<10).map { number in
                let request = ReferenceModel.Request("buy", ["user": "hot", "device": "d\(round % 7)-\(number)"])
                return (request: request, atMs: UInt64?.none)
            }
            for outcome in try await engine.decide(calls, timeout: .seconds(2)) {
                asked += 1
                guard case .response(let response) = outcome, response.basis == .redis else {
                    failed += 1
                    continue
                }
                if response.verdict == .allow { admitted += 1 }
            }
        }
        #expect(failed == 0, "of \(asked)")
        #expect(admitted == max)
        try await engine.shutDown()
    }
}
