import Foundation
import TestSupport
import Testing

/// Redis dies, stands still, or forgets.
@Suite("Faults of one Redis", .serialized, .timeLimit(.minutes(2)))
struct RestartRows {
    @Test("Row 1: Redis SIGKILL, restart with AOF everysec")
    func row1() async throws {
        let redis = try RedisServer(["--appendonly", "yes", "--appendfsync", "everysec"])
        let run = try await FaultRun.start(
            1, "Redis SIGKILL, restart with AOF everysec", expects: "fallback, reconnect, scripts reloaded",
            redis: "unix://\(redis.socket)")
        try await run.sleep(1)
        let killedMs = run.nowMs
        redis.stop()
        try await run.sleep(1)
        try redis.restart()
        try await run.recovers(from: run.nowMs, within: 1)
        // What was admitted in the two seconds before may be forgotten.
        let lost = run.load.history.between(killedMs - 2_000, killedMs).most(of: "hot").admitted
        run.expect(run.load.history.between(killedMs + 100, killedMs + 900).byRedis.count == 0, "Redis was not gone")
        try await run.finish(over: lost)
    }

    @Test("Row 2: restart with no persistence")
    func row2() async throws {
        let redis = try RedisServer()
        let run = try await FaultRun.start(
            2, "restart with no persistence", expects: "counters_lost event", redis: "unix://\(redis.socket)")
        run.keepsCounts = false
        try await run.sleep(0.7)
        redis.stop()
        try await run.sleep(0.3)
        try redis.restart()
        try await run.recovers(from: run.nowMs, within: 1)
        let stats = try await run.service.stats()
        run.expect((stats["sluice_counters_lost_total"] ?? 0) > 0, "no counters_lost event")
        try await run.finish(over: FaultRun.max)
    }

    @Test("Row 3: Redis frozen 5 s")
    func row3() async throws {
        let redis = try RedisServer()
        let run = try await FaultRun.start(
            3, "Redis frozen 5 s", expects: "stall noticed, connection replaced, nothing replayed",
            redis: "unix://\(redis.socket)")
        let before = try await run.service.stats()
        redis.freeze()
        let frozenMs = run.nowMs
        try await run.sleep(5)
        redis.resume()
        try await run.recovers(from: run.nowMs, within: 1)
        let after = try await run.service.stats()
        run.expect(after["sluice_redis_losses_total"]! > before["sluice_redis_losses_total"]!, "no stall noticed")
        let during = run.load.history.between(frozenMs + 200, frozenMs + 4_800)
        run.expect(during.byRedis.count == during.calls.count { $0.basis == .cache }, "Redis was not frozen")
        run.note("p99 while frozen \(Int(during.percentileMs(0.99))) ms of 50")
        try await Self.expectConnections(run, redis, atMost: 3)
        try await run.finish()
    }

    @Test("Row 4: frozen in 50 ms bursts")
    func row4() async throws {
        let redis = try RedisServer()
        // Deadlines are those of the load: a burst is shorter than ten of them.
        let run = try await FaultRun.start(
            4, "frozen in 50 ms bursts", expects: "only affected requests fall back, no reconnect storm",
            redis: "unix://\(redis.socket)", deadlineMs: 20)
        let before = try await run.service.stats()
        let startMs = run.nowMs
        for _ in 0..<12 {
            redis.freeze()
            try await run.sleep(0.05)
            redis.resume()
            try await run.sleep(0.15)
        }
        let endMs = run.nowMs
        try await run.recovers(from: endMs, within: 1)
        let after = try await run.service.stats()
        let connects = after["sluice_redis_connects_total"]! - before["sluice_redis_connects_total"]!
        run.expect(connects <= 3, "\(connects) reconnects in 12 bursts")
        let during = run.load.history.between(startMs, endMs)
        // A quarter of the time it is frozen.
        run.expect(during.fallbacks.count * 2 < during.count, "\(during.fallbacks.count) of \(during.count) fell back")
        run.note("\(Int(connects)) reconnects, \(during.fallbacks.count) of \(during.count) fell back in the bursts")
        try await run.finish()
    }

    @Test("Row 5: someone else's busy script, for ten seconds")
    func row5() async throws {
        let redis = try RedisServer(["--busy-reply-threshold", "200"])
        let proxy = try ChaosProxy(to: .unix(path: redis.socket))
        let run = try await FaultRun.start(
            5, "someone else's busy script", expects: "breaker opens", redis: proxy.url)
        let busy = SlowCommand.busyScript(redis)
        try await run.sleep(1)
        let counts = proxy.counts
        try await run.sleep(9)
        let sent = proxy.counts.since(counts).commands["EVALSHA"] ?? 0
        run.expect(sent <= 12, "\(sent) runs sent in 9 s to a Redis that is busy")
        run.note("\(sent) runs sent in 9 s while busy")
        try await busy.killScript(redis)
        try await run.recovers(from: run.nowMs, within: 1)
        try await run.finish()
    }

    @Test("Row 6: SCRIPT FLUSH under load, every 100 ms")
    func row6() async throws {
        let redis = try RedisServer()
        let run = try await FaultRun.start(
            6, "SCRIPT FLUSH under load, every 100 ms", expects: "one reload per flush, no failed call",
            redis: "unix://\(redis.socket)")
        let before = try await run.service.stats()
        let startMs = run.nowMs
        let connection = try RedisConnection(socket: redis.socket)
        let flushes = 25
        for _ in 0..<flushes {
            try connection.command("SCRIPT", "FLUSH")
            try await run.sleep(0.1)
        }
        let endMs = run.nowMs
        try await run.recovers(from: endMs, within: 0.1)
        let after = try await run.service.stats()
        let loads = after["sluice_script_loads_total"]! - before["sluice_script_loads_total"]!
        run.expect(loads >= 10 && loads <= Double(flushes), "\(loads) reloads for \(flushes) flushes")
        let failed = run.load.history.between(startMs, endMs).fallbacks.count
        run.expect(failed <= 2, "\(failed) calls not decided by Redis")
        run.note("\(Int(loads)) reloads for \(flushes) flushes, \(failed) failed calls")
        try await run.finish()
    }

    /// Connections that Redis has, beside the one that asks.
    static func expectConnections(_ run: FaultRun, _ redis: RedisServer, atMost most: Int) async throws {
        try await run.sleep(0.2)
        let list = try RedisConnection(socket: redis.socket).command("CLIENT", "LIST").string
        let count = list.split(separator: "\n").count - 1
        run.expect(count <= most, "\(count) connections to Redis")
        run.note("\(count) connections to Redis")
    }
}
