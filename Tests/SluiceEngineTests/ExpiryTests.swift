import Foundation
import SluiceModel
import SluiceReference
import TestSupport
import Testing

@testable import SluiceEngine

/// By Redis' own clock, which is the one that keys expire by.
@Suite("A key lives as long as its fields need it")
struct ExpiryTests {
    /// When the counter of a hit at `atMs` has forgotten it.
    private static func endMs(_ windowMs: UInt64, tickMs: UInt64, atMs: UInt64) -> UInt64 {
        (atMs / tickMs + (windowMs + tickMs - 1) / tickMs + 1) * tickMs
    }

    struct Shape: CustomTestStringConvertible, Sendable {
        var rule: Rule
        var mode = Mode.check
        var ageMs: UInt64 = 0
        var testDescription: String { rule.name }
    }

    static var shapes: [Shape] {
        var attempts = Rule.perUser("attempts", max: 5, windowMs: 60_000)
        attempts.counting = .attempts
        var shadow = Rule.perUser("shadow", max: 5, windowMs: 60_000)
        shadow.shadow = true
        var windows = Rule.perUser("windows", max: 5, windowMs: 1_000)
        windows.limits += [
            Limit(max: 9, windowMs: 7_776_000_000, verdict: .review, text: ""),
            Limit(max: 10_000, windowMs: 60_000, text: ""),
        ]
        return [
            Shape(rule: .perUser("exact", max: 5, windowMs: 60_000)),
            Shape(rule: .perUser("long", max: 5, windowMs: 7_776_000_000)),
            Shape(rule: .perUser("brief", max: 5, windowMs: 10_000)),
            Shape(rule: .perUser("sliced", max: 100_000, windowMs: 60_000)),
            Shape(rule: .perUser("uneven", max: 100_000, windowMs: 61_003, slices: 7)),
            Shape(rule: .perUser("one-slice", max: 100_000, windowMs: 60_000, slices: 1)),
            Shape(rule: .perUser("many", max: 100_000, windowMs: 86_400_000, slices: 120)),
            Shape(rule: .perUser("challenge", max: 5, windowMs: 60_000, verdict: .challenge)),
            Shape(rule: attempts), Shape(rule: shadow), Shape(rule: windows),
            Shape(rule: .perUser("recorded", max: 5, windowMs: 60_000), mode: .record),
            Shape(rule: .perUser("aged", max: 5, windowMs: 60_000), mode: .record, ageMs: 10_000),
        ]
    }

    @Test("From its first hit on, for what its fields need and at most a slice more", arguments: shapes)
    func firstHit(_ shape: Shape) async throws {
        let redis = try RedisServer()
        let look = try RedisConnection(socket: redis.socket)
        let engine = try await EngineHarness(
            redis: redis, rules: [shape.rule], settings: EngineHarness.settings(clock: .redis))
        let before = try look.timeMs()
        _ = try await engine.decide(.init("a", ["user": "u"], mode: shape.mode, ageMs: shape.ageMs))
        let after = try look.timeMs()
        let expiry = UInt64(max(0, try look.command("PEXPIRETIME", "sluice1:{user=u}").number))
        let counters = RuleSet(rules: [shape.rule], generation: 1).variants[0].counters
        func need(_ atMs: UInt64) -> UInt64 {
            counters.map { Self.endMs($0.windowMs, tickMs: $0.resolution.tickMs, atMs: atMs - shape.ageMs) }.max()!
        }
        let slice = counters.map(\.resolution.tickMs).max()!
        #expect(expiry >= need(before))
        #expect(expiry <= need(after) + slice)
        try await engine.shutDown()
    }

    @Test("Windows of one key, hit in turns: the expiry grows when it must and never falls short of a field")
    func alternating() async throws {
        var random = SeededGenerator.announced()
        let redis = try RedisServer()
        let look = try RedisConnection(socket: redis.socket)
        let windows: [UInt64] = [10_000, 30_000, 60_000, 3_600_000]
        let rules = windows.flatMap { window in
            [
                Rule.perUser("e\(window)", check: "e\(window)", max: 20, windowMs: window),
                Rule.perUser("s\(window)", check: "s\(window)", max: 20, windowMs: window, exactUpTo: 0, slices: 7),
            ]
        }
        let engine = try await EngineHarness(
            redis: redis, rules: rules, settings: EngineHarness.settings(clock: .redis))
        for user in 0..<20 {
            // Per rule, when the last of its hits that counted is forgotten: no sooner, and no later.
            var soonest: [String: UInt64] = [:]
            var latest: UInt64 = 0
            let tried = rules.shuffled(using: &random).prefix(Int.random(in: 2...4, using: &random))
            for _ in 0..<25 {
                let rule = tried.randomElement(using: &random)!
                let counter = RuleSet(rules: [rule], generation: 1).variants[0].counters[0]
                let before = try look.timeMs()
                let allowed =
                    try await engine.decide(.init(rule.name, ["user": "u\(user)"])).verdict == .allow
                let after = try look.timeMs()
                if allowed {
                    let tick = counter.resolution.tickMs
                    soonest[rule.name] = Self.endMs(counter.windowMs, tickMs: tick, atMs: before)
                    latest = max(latest, Self.endMs(counter.windowMs, tickMs: tick, atMs: after) + tick)
                }
                let found = try look.command("PEXPIRETIME", "sluice1:{user=u\(user)}").number
                // A key that is gone already lived until now.
                let expiry = found > 0 ? UInt64(found) : try look.timeMs()
                #expect(expiry >= soonest.values.max()!, "seed \(random.seed), \(rule.name)")
                if found <= 0 { continue }
                #expect(expiry <= latest, "seed \(random.seed), \(rule.name)")
                if random.oneIn(4) { try await Task.sleep(for: .milliseconds(Int.random(in: 0...40, using: &random))) }
            }
        }
        try await engine.shutDown()
    }

    @Test("A key whose rules are all other rules now gets the expiry of the new ones")
    func replaced() async throws {
        let redis = try RedisServer()
        let look = try RedisConnection(socket: redis.socket)
        let engine = try await EngineHarness(
            redis: redis, rules: [.perUser("long", max: 5, windowMs: 86_400_000)],
            settings: EngineHarness.settings(clock: .redis))
        _ = try await engine.decide(.init("a", ["user": "u"]))
        try await engine.replace(rules: [.perUser("brief", max: 5, windowMs: 10_000)], generation: 2)
        _ = try await engine.decide(.init("a", ["user": "u"]))
        let ttl = try look.command("PTTL", "sluice1:{user=u}").number
        #expect(0...10_002 ~= ttl)
        try await engine.shutDown()
    }
}
