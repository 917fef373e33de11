import Foundation
import SluiceWire
import TestSupport
import Testing

/// The primary changes under Sentinel's eyes, or behind its back.
@Suite("Faults under Sentinel", .serialized, .timeLimit(.minutes(2)))
struct SentinelRows {
    @Test("Row 17: Sentinel failover, clean")
    func row17() async throws {
        let set = try SentinelSet()
        let run = try await FaultRun.start(
            17, "Sentinel failover, clean", expects: "ROLE checked, switches", redis: set.url)
        run.keepsCounts = false
        let startMs = run.nowMs
        let old = try set.primary
        try set.failover()
        // Sentinel demotes the old one a moment after it has promoted the new one.
        try await FaultRun.until("the old primary is left alone", seconds: 3.5) {
            let before = try Self.scriptRuns(old)
            try await run.sleep(0.2)
            return try Self.scriptRuns(old) == before
        }
        run.note("the old primary left after \(Int(run.nowMs - startMs)) ms")
        try await run.recovers(from: run.nowMs, within: 0.5)
        try await expectPrimaryUsed(run, set)
        try await run.finish(over: FaultRun.max)
    }

    @Test("Row 18: primary killed under Sentinel")
    func row18() async throws {
        let set = try SentinelSet()
        let run = try await FaultRun.start(
            18, "primary killed under Sentinel", expects: "ROLE checked, switches", redis: set.url)
        run.keepsCounts = false
        let old = try set.killPrimary()
        try await run.recovers(from: run.nowMs, within: Double(SentinelSet.downAfterMs) / 1_000 + 3)
        try await expectPrimaryUsed(run, set)
        // What was killed comes back as a replica, and nobody goes to it.
        try old.restart()
        try await run.sleep(1)
        try await expectPrimaryUsed(run, set)
        try await run.finish(over: FaultRun.max)
    }

    @Test("Row 19: silent demotion (REPLICAOF, no client kill)")
    func row19() async throws {
        let set = try SentinelSet()
        let run = try await FaultRun.start(
            19, "silent demotion (REPLICAOF, no client kill)", expects: "READONLY: close, find the primary again",
            redis: set.url)
        let (old, new) = (set.servers[0], set.servers[1])
        try await run.load.pause()
        let oldConnection = try RedisConnection(socket: old.socket)
        let offset = try Self.waitForReplication(from: oldConnection)
        run.note("replicated to \(offset)")
        // Nothing is lost: the load pauses, and Redis is told before Sentinel.
        try RedisConnection(socket: new.socket).command("REPLICAOF", "NO", "ONE")
        try oldConnection.command("REPLICAOF", "127.0.0.1", "\(new.port)")
        for sentinel in set.sentinels {
            let connection = try RedisConnection(socket: sentinel.socket)
            try connection.command("SENTINEL", "REMOVE", SentinelSet.name)
            try connection.command("SENTINEL", "MONITOR", SentinelSet.name, "127.0.0.1", "\(new.port)", "2")
        }
        run.load.pace(perSecond: 200)
        try await run.recovers(from: run.nowMs, within: 1)
        let stats = try await run.service.stats()
        run.expect((stats["sluice_redis_failures_total{class=\"readonly\"}"] ?? 0) > 0, "READONLY was not met")
        try await run.finish()
    }

    @Test("Row 20: all sentinels down, primary up")
    func row20() async throws {
        let set = try SentinelSet()
        let run = try await FaultRun.start(
            20, "all sentinels down, primary up", expects: "keeps serving", redis: set.url)
        let startMs = run.nowMs
        for sentinel in set.sentinels { sentinel.stop() }
        try await run.sleep(4)
        let during = run.load.history.between(startMs, run.nowMs)
        run.expect(during.fallbacks.count <= 1, "\(during.fallbacks.count) of \(during.count) fell back")
        try await run.finish()
    }

    @Test("Row 21: a replica's clock is ahead by 30 s when it is promoted")
    func row21Promotion() async throws {
        let clock = try ShiftedClock()
        let primary = try RedisServer(port: FreePort.find())
        let replica = try RedisServer(
            ["--replicaof", "127.0.0.1 \(primary.port)", "--repl-diskless-sync-delay", "0"],
            port: FreePort.find(), environment: clock.environment)
        try clock.shift(seconds: 30)
        let proxy = try ChaosProxy(to: .unix(path: primary.socket))
        let run = try await FaultRun.start(
            21, "replica's clock +30 s, promoted; clock back 10 s; forward 1 h and back",
            expects: "bounded, no hour of denial", redis: proxy.url)
        _ = try Self.waitForReplication(from: RedisConnection(socket: primary.socket))
        let look = try RedisConnection(socket: replica.socket)
        let ahead = Int(try look.timeMs()) - Int(Date().timeIntervalSince1970 * 1_000)
        run.expect(abs(ahead - 30_000) < 2_000, "the clock is \(ahead) ms ahead")
        try look.command("REPLICAOF", "NO", "ONE")
        proxy.redirect(to: .unix(path: replica.socket))
        proxy.resetOpen()
        try await run.recovers(from: run.nowMs, within: 1)
        run.keepsCounts = false
        try await run.sleep(1)
        try await run.finish(over: FaultRun.max)
    }

    @Test("Row 21: the clock goes back 10 s, forward 1 h, and back")
    func row21Steps() async throws {
        let clock = try ShiftedClock()
        let redis = try RedisServer(environment: clock.environment)
        let limits =
            FaultRun.limits + """
                  - { name: short, check: short, per: [user], limits: [ { max: 3, window: 2s } ] }

                """
        let run = try await FaultRun.start(
            21, "replica's clock +30 s, promoted; clock back 10 s; forward 1 h and back",
            expects: "bounded, no hour of denial", redis: "unix://\(redis.socket)", limits: limits
        ) { number in
            guard number % 10 == 9 else { return FaultRun.request(number) }
            return WireCheckRequest(action: "short", entities: [WireEntity("user", "patient")])
        }
        run.keepsCounts = false
        let steps = [-10, 3_590, -10, 0]
        for step in steps {
            try clock.shift(seconds: step)
            let startMs = run.nowMs
            try await run.sleep(3.2)
            let short = run.load.history.between(startMs, run.nowMs).of("short")
            // Denied for a window at most, whatever the clock does.
            run.expect(short.admitted.count > 0, "nothing of a 2 s window admitted within 3 s of a step to \(step) s")
            run.expect(
                short.admitted.count <= 3 * 4,
                "\(short.admitted.count) of 3 in 2 s admitted in 3 s at a step to \(step)")
        }
        try await run.recovers(from: run.nowMs, within: 0.5)
        let stats = try await run.service.stats()
        run.note("\(Int(stats["sluice_clock_steps_total"] ?? 0)) counters put right")
        run.expect((stats["sluice_clock_steps_total"] ?? 0) > 0, "no clock step was noticed")
        try await run.finish(over: steps.count * FaultRun.max)
    }

    /// The server that the sentinels name has the service's connections, the other has none of them.
    private func expectPrimaryUsed(_ run: FaultRun, _ set: SentinelSet) async throws {
        let primary = try set.primary
        for server in set.servers where server.answers {
            let runs = { try Self.scriptRuns(server) }
            let before = try runs()
            try await run.sleep(0.3)
            let isUsed = try runs() > before
            run.expect(isUsed == (server === primary), "port \(server.port) is \(isUsed ? "" : "not ")asked")
        }
    }

    private static func scriptRuns(_ server: RedisServer) throws -> Int {
        let stats = try RedisConnection(socket: server.socket, timeoutMs: 2_000).command("INFO", "commandstats").string
        let line = stats.split(separator: "\r\n").first { $0.hasPrefix("cmdstat_evalsha:calls=") }
        return line?.dropFirst("cmdstat_evalsha:calls=".count).split(separator: ",").first.flatMap { Int($0) } ?? 0
    }

    /// Waits until a replica has all that its primary has.
    private static func waitForReplication(from primary: RedisConnection) throws -> Int {
        try primary.command("SET", "sluice-test:last", "1")
        for _ in 0..<100 {
            if try primary.command("WAIT", "1", "200").number >= 1 { break }
        }
        return try primary.command("ROLE").elements.dropFirst().first?.number ?? -1
    }
}
