import Foundation
import TestSupport
import Testing

/// Redis is there and says no.
@Suite("Refusals of Redis", .serialized, .timeLimit(.minutes(2)))
struct RefusalRows {
    private let redis: RedisServer
    private let proxy: ChaosProxy
    private let look: RedisConnection

    init() throws {
        // A folder that can be taken away from under it.
        let folder = "/tmp/sluice-test-\(UUID().uuidString.prefix(8))-data"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        redis = try RedisServer(["--dir", folder, "--busy-reply-threshold", "100"])
        proxy = try ChaosProxy(to: .unix(path: redis.socket))
        look = try RedisConnection(socket: redis.socket)
        try FileManager.default.removeItem(atPath: folder)
    }

    /// Script runs and attempts to connect that reach Redis in a while.
    private func asked(_ run: FaultRun, during seconds: Double) async throws -> Int {
        let before = proxy.counts
        try await run.sleep(seconds)
        let seen = proxy.counts.since(before)
        return (seen.commands["EVALSHA"] ?? 0) + seen.accepted
    }

    @Test("Row 26: maxmemory reached, noeviction")
    func row26() async throws {
        let run = try await FaultRun.start(
            26, "maxmemory reached, noeviction", expects: "OOM: the rule's policy; never hammered", redis: proxy.url)
        try look.command("CONFIG", "SET", "maxmemory", "1")
        try await run.sleep(1)
        let startMs = run.nowMs
        let asked = try await asked(run, during: 2)
        let during = run.load.history.between(startMs, startMs + 1_900)
        run.expect(during.calls.count { $0.basis == .redis } == 0, "Redis decided without memory")
        run.expect(asked <= 4, "\(asked) runs in 2 s at a Redis without memory")
        run.note("\(asked) runs in 2 s")
        try look.command("CONFIG", "SET", "maxmemory", "0")
        try await run.recovers(from: run.nowMs, within: 1)
        let stats = try await run.service.stats()
        run.expect((stats["sluice_redis_failures_total{class=\"oom\"}"] ?? 0) > 0, "not counted as oom")
        try await run.finish()
    }

    @Test("Row 27: an evicting policy configured")
    func row27() async throws {
        try look.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        let run = try await FaultRun.start(
            27, "an evicting policy configured", expects: "warned of at start, evicted_keys alarm", redis: proxy.url)
        run.keepsCounts = false
        run.expect(run.service.log.contains("maxmemory-policy"), "no warning in the log")
        let before = try await run.service.stats()
        let limit = (try look.command("INFO", "memory").string.split(separator: "\r\n"))
            .first { $0.hasPrefix("used_memory:") }.flatMap { Int($0.dropFirst(12)) }
        try look.command("CONFIG", "SET", "maxmemory", "\((limit ?? 0) + 200_000)")
        for key in 0..<3_000 { try look.command("SET", "filler:\(key)", String(repeating: "x", count: 200)) }
        var alarmed = false
        for _ in 0..<60 where !alarmed {
            try await run.sleep(0.2)
            let after = try await run.service.stats()
            alarmed = after.contains { $0.key.contains("redis_evicted") && $0.value > 0 }
        }
        run.expect(alarmed, "no metric tells of evicted keys")
        run.expect(!before.contains { $0.key.contains("redis_evicted") && $0.value > 0 }, "an alarm without cause")
        try look.command("CONFIG", "SET", "maxmemory", "0")
        try await run.recovers(from: run.nowMs, within: 1)
        // A counter may go at any time, again and again.
        try await run.finish(over: .max / 2)
    }

    /// A refusal, how it comes and how it goes.
    private struct Refusal {
        var name: String
        var begin: () throws -> Void
        var end: () async throws -> Void
    }

    private func refusals(_ run: FaultRun) -> [Refusal] {
        let (redis, look) = (redis, look)
        func set(_ name: String, _ value: String) throws { try look.command("CONFIG", "SET", name, value) }
        var slow: SlowCommand?
        return [
            Refusal(
                name: "MISCONF",
                begin: {
                    // Its folder is gone, so that saving fails.
                    try set("save", "3600 1000000")
                    try look.command("BGSAVE")
                }, end: { try set("stop-writes-on-bgsave-error", "no") }),
            Refusal(
                name: "NOREPLICAS", begin: { try set("min-replicas-to-write", "1") },
                end: { try set("min-replicas-to-write", "0") }),
            Refusal(
                name: "BUSY", begin: { slow = SlowCommand.busyScript(redis) },
                end: { try await slow?.killScript(redis) }),
            Refusal(
                name: "NOPERM", begin: { try look.command("ACL", "SETUSER", "default", "-evalsha") },
                end: { try look.command("ACL", "SETUSER", "default", "+evalsha") }),
            Refusal(
                name: "NOAUTH",
                begin: {
                    try set("requirepass", "secret")
                    try look.command("AUTH", "secret")
                    try look.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                }, end: { try set("requirepass", "") }),
        ]
    }

    @Test("Row 28: MISCONF, NOREPLICAS, BUSY, NOPERM, NOAUTH, LOADING")
    func row28() async throws {
        let run = try await FaultRun.start(
            28, "MISCONF, NOREPLICAS, LOADING, BUSY, NOAUTH, NOPERM",
            expects: "each to its class of action; at most one probe a second", redis: proxy.url)
        for refusal in refusals(run) {
            try refusal.begin()
            try await run.sleep(0.7)
            let startMs = run.nowMs
            let asked = try await asked(run, during: 1.5)
            let during = run.load.history.between(startMs, startMs + 1_400)
            let byRedis = during.calls.count { $0.basis == .redis }
            run.expect(byRedis == 0, "\(refusal.name): \(byRedis) decided by Redis")
            // The first probes of a backoff come sooner.
            run.expect(asked <= 4, "\(refusal.name): asked \(asked) times in 1.5 s")
            run.note("\(refusal.name) asked \(asked) times in 1.5 s")
            try await refusal.end()
            try await run.recovers(from: run.nowMs, within: 1)
        }
        try await run.finish()
    }

    @Test("Row 28: LOADING")
    func row28Loading() async throws {
        let redis = try RedisServer([
            "--loading-process-events-interval-bytes", "1024", "--enable-debug-command", "yes",
        ])
        let look = try RedisConnection(socket: redis.socket)
        let run = try await FaultRun.start(
            28, "MISCONF, NOREPLICAS, LOADING, BUSY, NOAUTH, NOPERM",
            expects: "each to its class of action; at most one probe a second", redis: "unix://\(redis.socket)")
        try look.command("DEBUG", "POPULATE", "2000", "filler")
        try look.command("CONFIG", "SET", "key-load-delay", "1000")
        let reload = SlowCommand(redis, "DEBUG", "RELOAD")
        try await run.sleep(0.5)
        let startMs = run.nowMs
        try await run.sleep(1)
        let during = run.load.history.between(startMs, startMs + 900)
        run.expect(during.calls.count { $0.basis == .redis } == 0, "decided by a Redis that loads")
        try await reload.end()
        try await run.recovers(from: run.nowMs, within: 1)
        let stats = try await run.service.stats()
        run.expect((stats["sluice_redis_failures_total{class=\"loading\"}"] ?? 0) > 0, "not counted as loading")
        try await run.finish()
    }

    @Test("Row 29: maxclients reached")
    func row29() async throws {
        let run = try await FaultRun.start(
            29, "maxclients reached", expects: "backoff, live connections kept", redis: proxy.url)
        try look.command("CONFIG", "SET", "maxclients", "30")
        var crowd: [RedisConnection] = []
        while crowd.count < 40, let one = try? RedisConnection(socket: redis.socket),
            let answer = try? one.command("PING"), answer.string == "PONG"
        {
            crowd.append(one)
        }
        run.expect(crowd.count < 40, "Redis took all of them")
        let startMs = run.nowMs
        try await run.sleep(1)
        let kept = run.load.history.between(startMs, run.nowMs)
        run.expect(kept.fallbacks.count <= 1, "\(kept.fallbacks.count) of \(kept.count) fell back on a live connection")
        // Its connections go, and somebody else is in their place.
        proxy.resetOpen()
        while crowd.count < 40, let one = try? RedisConnection(socket: redis.socket),
            let answer = try? one.command("PING"), answer.string == "PONG"
        {
            crowd.append(one)
        }
        let before = proxy.counts
        try await run.sleep(3)
        let attempts = proxy.counts.since(before).accepted
        run.expect(attempts <= 30, "\(attempts) attempts to connect in 3 s")
        run.note("\(attempts) attempts to connect in 3 s")
        crowd = []
        try await run.recovers(from: run.nowMs, within: 5)
        try await run.finish()
    }
}
