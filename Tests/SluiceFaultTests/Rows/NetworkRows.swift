import Foundation
import SluiceWire
import TestSupport
import Testing

/// The connection between the service and Redis breaks, slows, or lies.
@Suite("Faults of the network", .serialized, .timeLimit(.minutes(2)))
struct NetworkRows {
    private let redis: RedisServer
    private let proxy: ChaosProxy

    init() throws {
        redis = try RedisServer()
        proxy = try ChaosProxy(to: .unix(path: redis.socket), seed: SeededGenerator.announced("network rows").seed)
    }

    /// A call beside the load's pace.
    private func ask(_ run: FaultRun, _ user: String, event: String = "") async throws -> LoadCall {
        var request = WireCheckRequest(action: "bulk", entities: [WireEntity("user", user)])
        request.eventID = Data(event.utf8)
        return try await run.ask(request)
    }

    private func used(_ run: FaultRun, _ user: String) async throws -> UInt64 {
        let request = WireInspectRequest.with { $0.entities = [WireEntity("user", user)] }
        return try await run.service.withClient("admin") { try await $0.inspect(request).usages }
            .first { $0.rule == "bulk" }?.used ?? 0
    }

    /// Calls one after the other until Redis decides one; with the load paused.
    private func untilDecided(_ run: FaultRun) async throws {
        try await FaultRun.until("a decision by Redis", seconds: 5) { try await ask(run, "probe").basis == .redis }
    }

    /// The same fault again and again, under load.
    private func trap(_ fault: ProxyTrap, times: Int, every seconds: Double, _ run: FaultRun) async throws {
        run.load.pace(perSecond: 200)
        for _ in 0..<times {
            proxy.trap(fault)
            try await run.sleep(seconds)
        }
        proxy.heal()
        try await run.recovers(from: run.nowMs, within: 1)
    }

    @Test("Row 7: reply dropped, request kept")
    func row7() async throws {
        let run = try await FaultRun.start(
            7, "reply dropped, request kept", expects: "unknown outcome; with an event_id a retry counts once",
            redis: proxy.url)
        try await run.load.pause()
        proxy.trap(.dropReply)
        let unknown = try await ask(run, "solo", event: "e1")
        run.expect(unknown.basis == .policy, "basis \(String(describing: unknown.basis)) without a reply")
        try await untilDecided(run)
        let retry = try await ask(run, "solo", event: "e1")
        run.expect(retry.basis == .redis && retry.isDuplicate, "the retry was not known as one")
        let counted = try await used(run, "solo")
        run.expect(counted == 1, "the event counts \(counted) times")
        // Without an id: it counted once, and nobody sends it again.
        proxy.trap(.dropReply)
        let other = try await ask(run, "plain")
        run.expect(other.basis == .policy, "basis \(String(describing: other.basis)) without a reply")
        try await untilDecided(run)
        let plain = try await used(run, "plain")
        run.expect(plain == 1, "\(plain) counted of a call that was made once")
        try await trap(.dropReply, times: 3, every: 0.5, run)
        try await run.finish()
    }

    @Test("Row 8: request dropped silently")
    func row8() async throws {
        let run = try await FaultRun.start(
            8, "request dropped silently", expects: "deadline; not counted", redis: proxy.url)
        try await run.load.pause()
        proxy.trap(.dropRequest)
        let unanswered = try await ask(run, "solo", event: "e1")
        run.expect(
            unanswered.basis == .policy,
            "basis \(String(describing: unanswered.basis)) for a request that Redis never saw")
        try await untilDecided(run)
        run.expect(try await used(run, "solo") == 0, "counted")
        let retry = try await ask(run, "solo", event: "e1")
        run.expect(retry.basis == .redis && !retry.isDuplicate, "the retry was not decided")
        run.expect(try await used(run, "solo") == 1, "the retry does not count once")
        try await trap(.dropRequest, times: 3, every: 0.5, run)
        try await run.finish()
    }

    @Test("Row 9: RST in the middle of a reply")
    func row9() async throws {
        let run = try await FaultRun.start(
            9, "RST in the middle of a reply", expects: "in flight: unknown; not yet sent: sent again",
            redis: proxy.url)
        let startMs = run.nowMs
        try await trap(.resetInReply, times: 4, every: 0.6, run)
        run.expect(proxy.counts.trapped == 4, "\(proxy.counts.trapped) of 4 resets")
        let during = run.load.history.between(startMs, run.nowMs)
        run.expect(during.fallbacks.count < during.count / 2, "\(during.fallbacks.count) of \(during.count) fell back")
        run.note("\(during.fallbacks.count) of \(during.count) fell back at 4 resets")
        try await run.finish()
    }

    @Test("Row 10: replies one byte at a time, or glued")
    func row10() async throws {
        let run = try await FaultRun.start(
            10, "replies one byte at a time, or glued", expects: "parsed right", redis: proxy.url, perSecond: 80,
            deadlineMs: 300)
        let startMs = run.nowMs
        proxy.toClients { $0.largestWrite = 1 }
        try await run.sleep(2)
        proxy.heal()
        proxy.toClients { $0.glueMs = 30 }
        try await run.sleep(2)
        proxy.heal()
        try await run.recovers(from: run.nowMs, within: 0.5)
        let during = run.load.history.between(startMs, run.nowMs)
        run.expect(during.fallbacks.count == 0, "\(during.fallbacks.count) of \(during.count) fell back")
        try await run.finish()
    }

    @Test("Row 11: corrupt reply bytes")
    func row11() async throws {
        let run = try await FaultRun.start(
            11, "corrupt reply bytes", expects: "connection closed, counted", redis: proxy.url)
        var slowest = 0.0
        for byte in ProxyTrap.ReplyByte.allCases {
            let before = try await run.service.stats()
            proxy.trap(.corruptReply(byte))
            let spoiltMs = run.nowMs
            try await run.recovers(from: spoiltMs + 100, within: 1)
            slowest = max(slowest, run.nowMs - spoiltMs)
            let after = try await run.service.stats()
            let losses = after["sluice_redis_losses_total"]! - before["sluice_redis_losses_total"]!
            run.expect(losses == 1, "\(losses) connections closed for a wrong \(byte)")
            let failures = Self.failures(after) - Self.failures(before)
            run.expect(failures > 0, "what was asked then is not counted as failed, for a wrong \(byte)")
        }
        try await run.finish()
    }

    private static func failures(_ stats: [String: Double]) -> Double {
        stats.filter { $0.key.hasPrefix("sluice_redis_failures_total") }.values.reduce(0, +)
    }

    @Test("Row 12: +20 ms on a 5 ms deadline")
    func row12() async throws {
        let run = try await FaultRun.start(
            12, "+20 ms on a 5 ms deadline", expects: "all fall back by the deadline, load on Redis drops (breaker)",
            redis: proxy.url)
        run.load.set(deadlineMs: 5)
        proxy.toClients { $0.delayMs = 20 }
        try await run.sleep(1.5)
        let counts = proxy.counts
        let startMs = run.nowMs
        try await run.sleep(2)
        let sent = proxy.counts.since(counts).commands["EVALSHA"] ?? 0
        let during = run.load.history.between(startMs, startMs + 1_900)
        let byRedis = during.calls.count { $0.basis == .redis }
        run.expect(byRedis == 0, "\(byRedis) of \(during.count) decided by Redis in 5 ms, 20 ms away")
        run.expect(sent * 4 < during.count, "\(sent) runs sent for \(during.count) calls that cannot be in time")
        run.note("\(sent) runs sent for \(during.count) calls, p99 \(Int(during.percentileMs(0.99))) ms")
        proxy.heal()
        run.load.set(deadlineMs: 50)
        try await run.recovers(from: run.nowMs, within: 2)
        try await run.finish()
    }

    @Test("Row 13: latency ramp 0-10-0 ms")
    func row13() async throws {
        let run = try await FaultRun.start(
            13, "latency ramp 0-10-0 ms", expects: "graceful, no collapse that outlives the cause",
            redis: proxy.url, deadlineMs: 20)
        let startMs = run.nowMs
        for step in Array(0...20) + Array(0..<20).reversed() {
            proxy.toClients { $0.delayMs = Double(step) / 2 }
            try await run.sleep(0.08)
        }
        proxy.heal()
        let endMs = run.nowMs
        try await run.recovers(from: endMs, within: 2)
        let during = run.load.history.between(startMs, endMs)
        run.expect(during.fallbacks.count * 2 < during.count, "\(during.fallbacks.count) of \(during.count) fell back")
        run.note(
            "\(during.fallbacks.count) of \(during.count) fell back, p99 \(Int(during.percentileMs(0.99))) ms of 20")
        try await run.finish()
    }

    @Test("Row 14: 64 kbit/s")
    func row14() async throws {
        let run = try await FaultRun.start(
            14, "64 kbit/s", expects: "sheds by age, memory bounded", redis: proxy.url)
        run.load.pace(perSecond: 600)
        proxy.toRedis { $0.bytesPerSecond = 8_000 }
        proxy.toClients { $0.bytesPerSecond = 8_000 }
        let startMs = run.nowMs
        try await run.sleep(4)
        let during = run.load.history.between(startMs, run.nowMs)
        run.note(
            "at 64 kbit/s \(during.byRedis.count) by Redis, \(during.fallbacks.count) by fallback, "
                + "\(during.refused.count) shed, p99 \(Int(during.percentileMs(0.99))) ms of 50")
        proxy.heal()
        run.load.pace(perSecond: 200)
        try await run.recovers(from: run.nowMs, within: 2)
        try await run.finish()
    }

    @Test("Row 15: black hole (no RST)")
    func row15() async throws {
        let run = try await FaultRun.start(
            15, "black hole (no RST)", expects: "noticed by the stall limit, not after 15 minutes", redis: proxy.url)
        proxy.swallowOpen()
        try await run.recovers(from: run.nowMs, within: 2)
        try await run.finish()
    }

    @Test("Row 16: unknown host at start")
    func row16() async throws {
        let lost = try await FaultRun.start(
            16, "unknown host at start", expects: "starts, answers by policy, connects when it can",
            redis: "redis://no-such-host.invalid:6379", isUp: false)
        try await lost.sleep(1.5)
        lost.expect(lost.load.history.fallbacks.count > 100, "no answers without Redis")
        lost.expect(lost.load.history.byRedis.count == 0, "answers by a Redis that there is not")
        try await lost.finish(endsWithRedis: false)
        proxy.refuseConnections()
        let run = try await FaultRun.start(
            16, "unknown host at start", expects: "starts, answers by policy, connects when it can", redis: proxy.url,
            isUp: false)
        try await run.sleep(1)
        run.expect(run.load.history.fallbacks.count > 50, "no answers without Redis")
        proxy.heal()
        // The longest wait between attempts.
        try await run.recovers(from: run.nowMs, within: 5)
        try await run.finish()
    }
}
