import Foundation
import SluiceModel
import SluiceReference
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

/// Cells that this version did not write, and fields of rules that are gone.
@Suite("Cells that cannot be read, and cells that are not needed any more")
struct CellTests {
    private static let field = "r/60000"
    private static let rules = [
        Rule.perUser(max: 5, windowMs: 60_000),
        Rule(
            name: "strict", check: [Pattern("strict")], per: ["user"],
            limits: [Limit(max: 5, windowMs: 60_000, text: "")], onRedisFailure: .deny
        ),
    ]

    private static func key(_ user: String) -> String { "sluice1:{user=\(user)}" }

    /// A request on the bad cell among others in one batch: it alone is answered by policy, and the bytes stay.
    private static func checkIsolated(
        _ engine: EngineHarness,
        _ look: RedisConnection,
        cell: [UInt8],
        field: String = Self.field,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        try look.command("FLUSHALL")
        try look.command([Array("HSET".utf8), Array(key("bad").utf8), Array(field.utf8), cell])
        let before = try await engine.run { $0.metrics.unreadableCells }
        let users = ["one", "bad", "two", "bad", "one"]
        let outcomes = try await engine.decide(users.map { (.init("a", ["user": $0]), nil) })
        let responses = outcomes.compactMap { outcome -> WireCheckResponse? in
            if case .response(let response) = outcome { return response }
            return nil
        }
        #expect(
            responses.map(\.basis) == [.redis, .policy, .redis, .policy, .redis], "\(cell)",
            sourceLocation: sourceLocation)
        #expect(responses.map(\.verdict) == [.allow, .allow, .allow, .allow, .allow], sourceLocation: sourceLocation)
        #expect(responses.last?.tightest.remaining == 3, sourceLocation: sourceLocation)
        #expect(try look.fields(key("bad")) == [field: cell], sourceLocation: sourceLocation)
        let after = try await engine.run { $0.metrics.unreadableCells }
        #expect(after == before + 2, sourceLocation: sourceLocation)
    }

    private static func engine(_ redis: RedisServer) async throws -> EngineHarness {
        try await EngineHarness(redis: redis, rules: rules, settings: EngineHarness.settings(clock: .redis))
    }

    @Test("A cell of another version and every truncated cell fail their item alone and are never overwritten")
    func unreadable() async throws {
        let redis = try RedisServer()
        let look = try RedisConnection(socket: redis.socket)
        let engine = try await Self.engine(redis)
        for _ in 0..<3 {
            _ = try await engine.decide(.init("a", ["user": "u"]))
            try await Task.sleep(for: .milliseconds(2))
        }
        let good = try #require(try look.fields(Self.key("u"))[Self.field])
        #expect(good[0] == 1)
        for version: UInt8 in [0, 2, 255] {
            try await Self.checkIsolated(engine, look, cell: [version] + good.dropFirst())
        }
        for length in 0..<good.count {
            let pairs = length - 13
            // Cut between two pairs it is a shorter log, which its own checks may or may not notice.
            if pairs > 0, pairs.isMultiple(of: (good.count - 13) / 3) { continue }
            try await Self.checkIsolated(engine, look, cell: Array(good.prefix(length)))
        }
        try await engine.shutDown()
    }

    @Test("A key of another type fails its items alone, follows the rule's policy, and stays")
    func otherType() async throws {
        let redis = try RedisServer()
        let look = try RedisConnection(socket: redis.socket)
        let engine = try await Self.engine(redis)
        try look.command("SET", Self.key("bad"), "text")
        let outcomes = try await engine.decide([
            (.init("strict", ["user": "bad"]), nil), (.init("strict", ["user": "good"]), nil),
            (.init("strict", ["user": "bad"], mode: .record), nil), (.init("a", ["user": "bad"]), nil),
        ])
        let responses = outcomes.compactMap { outcome -> WireCheckResponse? in
            if case .response(let response) = outcome { return response }
            return nil
        }
        #expect(responses.map(\.basis) == [.policy, .redis, .policy, .policy])
        #expect(responses.map(\.verdict) == [.deny, .allow, .allow, .allow])
        #expect(responses.allSatisfy { $0.trips.isEmpty })
        #expect(try look.command("GET", Self.key("bad")).string == "text")
        await #expect(throws: RedisFailure.self) {
            try await engine.inspect([("user", Array("bad".utf8))], atMs: nil)
        }
        try await engine.shutDown()
    }

    /// Whatever lies in a field, the others in its batch are decided and the answers are numbers of the protocol.
    @Test("Random bytes in a field never fail the batch they are read with")
    func randomBytes() async throws {
        var random = SeededGenerator.announced()
        let redis = try RedisServer()
        let look = try RedisConnection(socket: redis.socket)
        let engine = try await Self.engine(redis)
        _ = try await engine.decide(.init("a", ["user": "u"], cost: 2))
        let good = try #require(try look.fields(Self.key("u"))[Self.field])
        for round in 0..<1_500 {
            var cell: [UInt8]
            switch round % 3 {
            case 0:
                cell = (0..<Int.random(in: 0...64, using: &random)).map { _ in .random(in: 0...255, using: &random) }
            case 1:
                cell = good
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    cell[.random(in: 1..<cell.count, using: &random)] = .random(in: 0...255, using: &random)
                }
            default:
                // A sound head with anything behind it.
                let (offset, weight) = (
                    UInt8.random(in: 1...6, using: &random), UInt8.random(in: 1...7, using: &random)
                )
                let flags: UInt8 = random.oneIn(2) ? 0 : 4
                let rest = (flags == 4 ? 13 : 8) + Int(weight) + 1
                let pairs = Int(offset + weight) * Int.random(in: 1...5, using: &random)
                cell = [1, flags, offset << 4 | weight]
                cell += (0..<rest + pairs).map { _ in
                    random.oneIn(3) ? .random(in: 0...255, using: &random) : random.oneIn(2) ? 0 : 255
                }
            }
            try look.command([Array("HSET".utf8), Array(Self.key("bad").utf8), Array(Self.field.utf8), cell])
            let users = ["one", "bad", "two", "bad"]
            let mode: Mode = [.check, .record, .peek].randomElement(using: &random)!
            let cost = UInt64.random(in: 1...3, using: &random)
            let outcomes = try await engine.decide(
                users.map { (.init("a", ["user": "\($0)"], cost: cost, mode: $0 == "bad" ? mode : .peek), nil) })
            for (user, outcome) in zip(users, outcomes) {
                guard case .response(let response) = outcome, user == "bad" || response.basis == .redis else {
                    Issue.record("seed \(random.seed), \(user) beside \(cell): \(outcome)")
                    return
                }
            }
        }
        let failures = try await engine.run { ($0.metrics.failures[.other], $0.metrics.failures[.malformed]) }
        #expect(failures.0 == nil)
        try await engine.shutDown()
    }

    @Test("Fields of rules no longer in force go when their key is next written; those in force stay")
    func oldFields() async throws {
        let redis = try RedisServer()
        let look = try RedisConnection(socket: redis.socket)
        let first = Rule.perUser("first", check: "a", max: 5, windowMs: 6_000_000)
        let second = Rule.perUser("second", check: "b", max: 5, windowMs: 3_000_000)
        let third = Rule.perUser("third", check: "c", max: 5, windowMs: 1_000_000)
        let engine = try await EngineHarness(
            redis: redis, rules: [first, second, third], settings: EngineHarness.settings(clock: .redis))
        let key = Self.key("u")
        for action in ["a", "b", "c"] { _ = try await engine.decide(.init(action, ["user": "u"])) }
        #expect(try look.fields(key).keys.sorted() == ["first/6000000", "second/3000000", "third/1000000"])

        try await engine.replace(rules: [second, third], generation: 2)
        _ = try await engine.decide(.init("b", ["user": "u"], mode: .peek))
        #expect(try look.fields(key).count == 3, "a peek writes nothing")
        _ = try await engine.decide(.init("b", ["user": "u"]))
        #expect(try look.fields(key).keys.sorted() == ["second/3000000", "third/1000000"])
        let seen = try await engine.inspect([("user", Array("u".utf8))], atMs: nil)
        #expect(seen.map(\.used) == [2, 1])

        // The rule that is left writes a key whose other fields all go.
        try await engine.replace(rules: [first], generation: 3)
        _ = try await engine.decide(.init("a", ["user": "u"]))
        #expect(try look.fields(key).keys.sorted() == ["first/6000000"])
        #expect(try look.command("PTTL", key).number > 0)
        try await engine.shutDown()
    }
}
