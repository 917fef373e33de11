import Foundation
import SluiceModel
import SluiceReference
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

/// What stays as it was in Redis, byte for byte, by Redis' own clock.
@Suite("What is not admitted writes nothing")
struct KeyspaceTests {
    private static let rules = [
        Rule(
            name: "pair", check: [Pattern("buy")], per: ["user", "device"],
            limits: [Limit(max: 100, windowMs: 60_000, text: "")]
        ),
        Rule(
            name: "exact", check: [Pattern("buy")], per: ["user"],
            limits: [
                Limit(max: 3, windowMs: 60_000, text: ""),
                Limit(max: 50, windowMs: 3_600_000, verdict: .review, text: ""),
            ]
        ),
        Rule(
            name: "sliced", check: [Pattern("buy")], per: ["device"],
            limits: [Limit(max: 1_000, windowMs: 60_000, text: "")]
        ),
        Rule(
            name: "shadow", check: [Pattern("buy")], per: ["user"],
            limits: [Limit(max: 2, windowMs: 60_000, text: "")], shadow: true
        ),
        Rule(
            name: "attempts", check: [Pattern("try")], per: ["user"],
            limits: [Limit(max: 2, windowMs: 60_000, text: "")], counting: .attempts
        ),
        Rule(
            name: "beside", check: [Pattern("try")], per: ["user"],
            limits: [Limit(max: 100, windowMs: 60_000, text: "")]
        ),
    ]

    private static func engine(_ redis: RedisServer) async throws -> EngineHarness {
        try await EngineHarness(redis: redis, rules: rules, settings: EngineHarness.settings(clock: .redis))
    }

    @Test("A request denied by one of its rules leaves every key as it was, its expiry included")
    func denied() async throws {
        let redis = try RedisServer()
        let look = try RedisConnection(socket: redis.socket)
        let engine = try await Self.engine(redis)
        for _ in 0..<3 {
            #expect(try await engine.decide(.init("buy", ["user": "u", "device": "d"])).verdict == .allow)
        }
        let before = try look.snapshot()
        #expect(before.elements.count == 3)
        for _ in 0..<5 {
            let denied = try await engine.decide(.init("buy", ["user": "u", "device": "d"]))
            #expect(denied.verdict == .deny)
            #expect(denied.trips.map(\.rule) == ["exact", "shadow"])
            // Another device's key would be new.
            #expect(try await engine.decide(.init("buy", ["user": "u", "device": "other"])).verdict == .deny)
        }
        #expect(try look.snapshot() == before)
        try await engine.shutDown()
    }

    @Test("A request that its own cost makes too large leaves an empty keyspace empty")
    func neverFits() async throws {
        let redis = try RedisServer()
        let engine = try await Self.engine(redis)
        let denied = try await engine.decide(.init("buy", ["user": "u", "device": "d"], cost: 4))
        #expect(denied.verdict == .deny)
        #expect(!denied.hasRetryAfterMs)
        #expect(try RedisConnection(socket: redis.socket).snapshot() == .array([]))
        try await engine.shutDown()
    }

    @Test("Peeks, inspections, invalid requests and those that meet no rule leave every key as it was")
    func looks() async throws {
        let redis = try RedisServer()
        let look = try RedisConnection(socket: redis.socket)
        let engine = try await Self.engine(redis)
        for _ in 0..<2 { _ = try await engine.decide(.init("buy", ["user": "u", "device": "d"])) }
        let before = try look.snapshot()
        for mode in [Mode.peek, .check] {
            // The fourth of a batch would trip if the peeks before it counted.
            let calls = Array(
                repeating: ReferenceModel.Request("buy", ["user": "u", "device": "d"], mode: .peek), count: 4)
            for outcome in try await engine.decide(calls.map { ($0, nil) }) {
                guard case .response(let response) = outcome else {
                    throw EngineHarness.Refused(status: .ok, message: "")
                }
                #expect(response.verdict == .allow)
                #expect(response.trips.map(\.rule) == ["shadow"])
            }
            #expect(try await engine.decide(.init("other", ["user": "u"], mode: mode)).verdict == .allow)
            #expect(try await engine.decide(.init("buy", [:], mode: mode)).verdict == .allow)
            await #expect(throws: EngineHarness.Refused.self) {
                try await engine.decide(.init("buy", ["user": "u", "user": "v"], mode: mode))
            }
            await #expect(throws: EngineHarness.Refused.self) {
                try await engine.decide(.init("buy", ["user": "u"], mode: mode, ageMs: 1))
            }
        }
        let seen = try await engine.inspect([("user", Array("u".utf8)), ("device", Array("d".utf8))], atMs: nil)
        #expect(seen.filter { $0.rule == "exact" }.map(\.used) == [2, 2])
        #expect(try look.snapshot() == before)
        try await engine.shutDown()
    }

    @Test("A denied request moves the attempts rule's own field and nothing else")
    func attempts() async throws {
        let redis = try RedisServer()
        let look = try RedisConnection(socket: redis.socket)
        let engine = try await Self.engine(redis)
        for _ in 0..<2 { _ = try await engine.decide(.init("try", ["user": "u"])) }
        _ = try await engine.decide(.init("buy", ["user": "v", "device": "d"]))
        let key = "sluice1:{user=u}"
        let before = try look.fields(key)
        let others = try look.snapshot().elements.filter { $0.elements[0].string != key }
        try await Task.sleep(for: .milliseconds(2))
        #expect(try await engine.decide(.init("try", ["user": "u"])).verdict == .deny)
        var after = try look.fields(key)
        #expect(after["attempts/60000"] != before["attempts/60000"])
        after["attempts/60000"] = before["attempts/60000"]
        #expect(after == before)
        #expect(try look.snapshot().elements.filter { $0.elements[0].string != key } == others)
        try await engine.shutDown()
    }
}
