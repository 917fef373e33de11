import LuaScripts
import SluiceModel
import SluiceReference
import TestSupport
import Testing

@testable import SluiceEngine

/// By Redis' own clock, and byte for byte.
@Suite("What blocks, sets and events leave in Redis")
struct FraudKeyspaceTests {
    private static func engine(_ redis: RedisServer, _ rules: [Rule]) async throws -> EngineHarness {
        try await EngineHarness(redis: redis, rules: rules, settings: EngineHarness.settings(clock: .redis))
    }

    private static func event(_ id: String, _ entities: KeyValuePairs<String, String>) -> ReferenceModel.Request {
        var request = ReferenceModel.Request("a", entities)
        request.eventID = Array(id.utf8)
        return request
    }

    @Test("A blocked tuple's key outlives its counter until the escalation has decayed, and reset ends it")
    func blocks() async throws {
        let redis = try RedisServer()
        let look = try RedisConnection(socket: redis.socket)
        var rule = Rule.perUser(max: 1, windowMs: 100)
        rule.limits[0].blockForMs = [20_000, 60_000]
        let engine = try await Self.engine(redis, [rule])
        for _ in 0..<2 { _ = try await engine.decide(.init("a", ["user": "u"])) }
        let ttl = try look.command("PTTL", "sluice1:{user=u}").number
        #expect(39_000...40_000 ~= ttl)
        let seen = try await engine.inspect([("user", Array("u".utf8))], atMs: nil)
        #expect(seen.map(\.blockStep) == [1] && 19_000...20_000 ~= seen[0].blockedMs)
        #expect(try await engine.run(LuaScripts.unblock, on: [("user", Array("u".utf8))], argument: "") == 1)
        #expect(try await engine.run(LuaScripts.unblock, on: [("user", Array("u".utf8))], argument: "") == 0)
        #expect(try await engine.inspect([("user", Array("u".utf8))], atMs: nil)[0].blockedMs == 0)
        try await engine.shutDown()
    }

    @Test("A cell with a block that another version wrote is refused, and not overwritten")
    func strangeBlock() async throws {
        let redis = try RedisServer()
        let look = try RedisConnection(socket: redis.socket)
        var rule = Rule.perUser(max: 1, windowMs: 60_000)
        rule.limits[0].blockForMs = [20_000]
        let engine = try await Self.engine(redis, [rule])
        // Flags of no meaning; a block that is cut short; blocks alone that are none.
        for cell in ["\u{1}\u{20}\u{11}\0\0", "\u{1}\u{8}\0\0\0\u{1}\u{3}", "\u{1}\u{8}\0\0\0\0"] {
            try look.command("HSET", "sluice1:{user=u}", "r/60000", cell)
            let answer = try await engine.decide(.init("a", ["user": "u"]))
            #expect(answer.basis == .policy)
            #expect(try look.command("HGET", "sluice1:{user=u}", "r/60000").string == cell)
        }
        try await engine.shutDown()
    }

    @Test(
        "An event lies in the slot of its first dimension for as long as it is remembered, and names no value in full")
    func events() async throws {
        let redis = try RedisServer()
        let look = try RedisConnection(socket: redis.socket)
        var rule = Rule.perUser(max: 2, windowMs: 30_000)
        rule.per = ["device"]
        let engine = try await Self.engine(redis, [rule])
        let card = "4111-1111-1111-1111"
        for id in ["one", "two", "three"] {
            _ = try await engine.decide(Self.event(id, ["device": "d", "card": card]))
            _ = try await engine.decide(Self.event(id, ["card": card, "device": "d"]))
        }
        let keys = try look.command("KEYS", "*").elements.map(\.string).filter { $0.hasPrefix("sluice1:{card=") }
        #expect(keys.count == 3)
        let ttls = try keys.map { try look.command("PTTL", $0).number }.sorted()
        // The third was refused: remembered until its retry_after alone.
        #expect(25_000...30_001 ~= ttls[0] && ttls.dropFirst().allSatisfy { 590_000...600_000 ~= $0 })
        try await engine.shutDown()
    }

    @Test("A set keeps max + 1 members of a fixed length, whatever is shown to it")
    func sets() async throws {
        let redis = try RedisServer()
        let look = try RedisConnection(socket: redis.socket)
        var rule = Rule.perUser(max: 3, windowMs: 86_400_000)
        rule.measure = .distinct(dimension: "card")
        rule.counting = .attempts
        let engine = try await Self.engine(redis, [rule])
        for number in 0..<500 {
            let card = String(repeating: "4", count: number % 200) + "-\(number)"
            _ = try await engine.decide(.init("a", ["user": "u", "card": card]))
        }
        let seen = try await engine.inspect([("user", Array("u".utf8))], atMs: nil)
        #expect(seen.map(\.used) == [4])
        #expect(try look.command("HSTRLEN", "sluice1:{user=u}", "r/86400000").number == 13 + 4 * (16 + 4))
        #expect(try look.command("HLEN", "sluice1:{user=u}").number == 1)
        try await engine.shutDown()
    }

    @Test("An entity with three small limits takes at most 300 bytes after five hits on each")
    func memory() async throws {
        let redis = try RedisServer()
        let look = try RedisConnection(socket: redis.socket)
        var rule = Rule.perUser("logins", max: 20, windowMs: 60_000)
        rule.limits += [
            Limit(max: 50, windowMs: 3_600_000, text: ""), Limit(max: 60, windowMs: 86_400_000, text: ""),
        ]
        let engine = try await Self.engine(redis, [rule])
        for _ in 0..<5 {
            _ = try await engine.decide(.init("a", ["user": "u-1234567"]))
            try await Task.sleep(for: .milliseconds(3))
        }
        let bytes = try look.command("MEMORY", "USAGE", "sluice1:{user=u-1234567}", "SAMPLES", "0").number
        #expect(1...300 ~= bytes, "\(bytes) bytes")
        try await engine.shutDown()
    }
}
