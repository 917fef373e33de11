import Foundation
import SluiceWire
import TestSupport
import Testing

/// Nodes of a cluster die, slots move, the majority goes.
@Suite("Faults of a cluster", .serialized, .timeLimit(.minutes(3)))
struct ClusterRows {
    /// An entity of its own and one that others have too, mostly on different nodes.
    private static let limits =
        FaultRun.limits + """
              - { name: pair-user, check: pair, per: [user], on_redis_failure: deny, limits: [ { max: 40, window: 1h } ] }
              - { name: pair-shop, check: pair, per: [shop], on_redis_failure: deny, limits: [ { max: 1_000_000, window: 1h } ] }

            """

    private static func slot(_ user: String) -> Int { HashSlot.of("sluice1:{user=\(user)}") }

    @Sendable private static func request(_ number: Int) -> WireCheckRequest {
        guard number % 5 == 4 else { return FaultRun.request(number) }
        let entities = [
            WireEntity("user", "p\(number / 5 / FaultRun.perAttacker)"), WireEntity("shop", "s\(number % 3)"),
        ]
        return WireCheckRequest(action: "pair", entities: entities)
    }

    private func start(_ cluster: RedisCluster, _ number: Int, _ fault: String, _ expected: String) async throws
        -> FaultRun
    {
        try await FaultRun.start(
            number, fault, expects: expected, redis: cluster.url, limits: Self.limits, traffic: Self.request)
    }

    private func expectPairsWithin(_ run: FaultRun, over: Int) {
        let most = run.load.history.most(of: "pair")
        run.expect(most.admitted <= FaultRun.max + over, "\(most.admitted) admitted for \(most.entity) on two nodes")
    }

    @Test("Row 22: cluster primary killed")
    func row22() async throws {
        let cluster = try RedisCluster(nodeTimeoutMs: 1_000)
        let run = try await start(cluster, 22, "cluster primary killed", "only its slots fall back")
        run.keepsCounts = false
        let killed = try cluster.primary(ofSlot: Self.slot("u0"))
        let others = try (0..<20).map { "u\($0)" }.filter { try cluster.primary(ofSlot: Self.slot($0)) != killed }
        let startMs = run.nowMs
        cluster.kill(killed)
        try await run.recovers(from: startMs, within: Double(cluster.nodeTimeoutMs) / 1_000 + 3)
        let during = run.load.history.of("bulk").between(startMs, run.nowMs)
        let elsewhere = during.calls.filter { others.contains($0.entity) }
        let affected = elsewhere.count { $0.isFallback }
        run.expect(affected * 20 <= elsewhere.count, "\(affected) of \(elsewhere.count) calls of other slots fell back")
        run.note("\(affected) of \(elsewhere.count) calls of other slots fell back")
        try cluster.waitForPrimary(ofSlot: Self.slot("u0"), otherThan: killed)
        expectPairsWithin(run, over: FaultRun.max)
        try await run.finish(over: FaultRun.max)
    }

    @Test("Row 23: a hot slot moved under load")
    func row23() async throws {
        let cluster = try RedisCluster(replicas: 0)
        let run = try await start(
            cluster, 23, "a hot slot moved under load", "ASK and MOVED followed, no failed call")
        let slot = Self.slot("u0")
        let startMs = run.nowMs
        for _ in 0..<3 {
            let source = try cluster.primary(ofSlot: slot)
            let target = try #require(cluster.primaries().first { $0 != source })
            // Most of the load is on what moves.
            let hot = (0..<30).map { _ in WireCheckRequest(action: "bulk", entities: [WireEntity("user", "u0")]) }
            run.load.ask(hot)
            try cluster.beginMove(ofSlot: slot, to: target)
            try await run.sleep(0.2)
            run.load.ask(hot)
            try cluster.moveKeys(ofSlot: slot)
            run.load.ask(hot)
            try await run.sleep(0.2)
            run.load.ask(hot)
            try cluster.finishMove(ofSlot: slot)
            run.load.ask(hot)
            try await run.sleep(0.2)
        }
        try await run.recovers(from: run.nowMs, within: 0.5)
        let during = run.load.history.between(startMs, run.nowMs)
        run.expect(during.fallbacks.count == 0, "\(during.fallbacks.count) of \(during.count) not decided by Redis")
        expectPairsWithin(run, over: 0)
        try await run.finish()
    }

    @Test("Row 24: a slot left half-migrated")
    func row24() async throws {
        let cluster = try RedisCluster(replicas: 0)
        // Two entities of one slot: one is moved, one stays, a third is new.
        let slot = Self.slot("u0")
        let mates = (0..<200_000).lazy.map { "m\($0)" }.filter { Self.slot($0) == slot }.prefix(2)
        let users = ["u0"] + mates
        let run = try await start(cluster, 24, "a slot left half-migrated", "served by ASK")
        func ask(_ users: [String]) {
            run.load.ask(users.map { WireCheckRequest(action: "bulk", entities: [WireEntity("user", $0)]) })
        }
        ask(Array(users.prefix(2)))
        try await run.sleep(0.3)
        let target = try #require(cluster.primaries().first { $0 != (try? cluster.primary(ofSlot: slot)) })
        try cluster.beginMove(ofSlot: slot, to: target)
        run.expect(try cluster.moveKeys(ofSlot: slot, atMost: 1) == 1, "nothing to move")
        let startMs = run.nowMs
        for _ in 0..<20 {
            ask(users)
            try await run.sleep(0.15)
        }
        let during = run.load.history.between(startMs, run.nowMs)
        run.expect(during.fallbacks.count == 0, "\(during.fallbacks.count) of \(during.count) not decided by Redis")
        try cluster.finishMove(ofSlot: slot)
        try await run.recovers(from: run.nowMs, within: 0.5)
        expectPairsWithin(run, over: 0)
        try await run.finish()
    }

    @Test("Row 25: cluster majority lost, restored")
    func row25() async throws {
        let cluster = try RedisCluster(nodeTimeoutMs: 1_000)
        let run = try await start(cluster, 25, "cluster majority lost, restored", "fallback, recovers")
        run.keepsCounts = false
        let lost = cluster.loseMajority()
        try cluster.waitUntilDown()
        let startMs = run.nowMs
        try await run.sleep(2)
        let during = run.load.history.between(startMs, run.nowMs)
        run.expect(during.calls.count { $0.basis == .redis } == 0, "decided by a cluster without a majority")
        for node in lost { cluster.resume(node) }
        try cluster.waitUntilWhole()
        try await run.recovers(from: run.nowMs, within: 3)
        expectPairsWithin(run, over: FaultRun.max)
        try await run.finish(over: FaultRun.max)
    }
}
