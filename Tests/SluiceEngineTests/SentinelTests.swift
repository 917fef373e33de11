import NIOCore
import SluiceModel
import SluiceReference
import TestSupport
import Testing

@testable import SluiceEngine

@Suite("Sentinels", .timeLimit(.minutes(2)), .serialized)
struct SentinelTests {
    private static func engine(_ url: String) async throws -> EngineHarness {
        try await EngineHarness(
            target: try RedisTarget(url: url), rules: [Rule.perUser(max: 1_000_000, windowMs: 60_000)],
            settings: EngineHarness.settings(clock: .redis), stallLimit: .milliseconds(100))
    }

    /// Asks until Redis decides, and tells how long that took; ten seconds at most.
    ///
    /// - Parameter old: the primary that was, which decides until it is told that it is none; it is to be left.
    private static func recover(_ engine: EngineHarness, leaving old: RedisServer? = nil) async throws -> TimeAmount {
        let began = NIODeadline.now()
        while NIODeadline.now() - began < .seconds(10) {
            let hasLeft = try old.map { try !$0.cli("CLIENT", "LIST").contains("name=sluice ") } ?? true
            let answer = try await engine.decide(.init("a", ["user": "u"]), timeout: .milliseconds(20))
            if hasLeft, answer.basis == .redis { break }
            try await Task.sleep(for: .milliseconds(10))
        }
        return NIODeadline.now() - began
    }

    private static func counted(by server: RedisServer) throws -> Bool {
        try server.cli("EXISTS", "sluice1:{user=u}") == "1"
    }

    @Test("A clean failover is followed within three seconds, and no connection to the old primary stays")
    func failover() async throws {
        let set = try SentinelSet()
        let engine = try await Self.engine(set.url)
        try await engine.waitForRedis()
        let old = try set.primary
        _ = try await engine.decide(.init("a", ["user": "u"]))
        #expect(try Self.counted(by: old))
        try set.failover()
        let new = try set.primary
        #expect(new !== old)
        let took = try await Self.recover(engine, leaving: old)
        #expect(took < .seconds(3), "\(took)")
        // Through the new primary: a replica does not take it, and does not ask.
        try new.cli("DEL", "sluice1:{user=u}")
        #expect(try await engine.decide(.init("a", ["user": "u"])).basis == .redis)
        #expect(try Self.counted(by: new))
        #expect(try await engine.run { $0.queues[0].link.countersLost } == 0)
        try await engine.shutDown()
    }

    @Test("A primary that is killed is replaced within three seconds of being taken for down")
    func killed() async throws {
        let set = try SentinelSet()
        let engine = try await Self.engine(set.url)
        try await engine.waitForRedis()
        let replica = try set.replica
        let killed = try set.killPrimary()
        let took = try await Self.recover(engine)
        #expect(took < .milliseconds(Int64(SentinelSet.downAfterMs)) + .seconds(4), "\(took)")
        #expect(try Self.counted(by: replica))
        // It comes back as a primary, of nothing, until the sentinels put it right.
        try killed.restart()
        try await Task.sleep(for: .milliseconds(200))
        #expect(try await Self.recover(engine) < .seconds(1))
        #expect(try !Self.counted(by: killed) || killed.cli("ROLE").hasPrefix("slave"))
        try await engine.shutDown()
    }

    @Test("With all sentinels gone the connection stays, and the last primary is connected to again")
    func sentinelsGone() async throws {
        let set = try SentinelSet()
        let engine = try await Self.engine(set.url)
        try await engine.waitForRedis()
        let primary = try set.primary
        for sentinel in set.sentinels { sentinel.stop() }
        try await Task.sleep(for: .milliseconds(300))
        #expect(try await engine.decide(.init("a", ["user": "u"])).basis == .redis)
        #expect(try await engine.run { $0.queues[0].link.losses } == 0)
        try primary.cli("CLIENT", "KILL", "TYPE", "normal")
        #expect(try await Self.recover(engine) < .seconds(2))
        try await engine.shutDown()
    }

    @Test("Sentinels that are frozen or gone are passed over for one that answers")
    func oneLeft() async throws {
        let set = try SentinelSet()
        set.sentinels[0].freeze()
        set.sentinels[1].stop()
        let engine = try await Self.engine(set.url)
        let began = NIODeadline.now()
        try await engine.waitForRedis()
        #expect(NIODeadline.now() - began < .seconds(2))
        set.sentinels[0].resume()
        try await engine.shutDown()
    }

    @Test("A replica that a sentinel takes for the primary is not written to")
    func replicaForPrimary() async throws {
        let primary = try RedisServer(port: FreePort.find())
        let replica = try RedisServer(["--replicaof", "127.0.0.1 \(primary.port)"], port: FreePort.find())
        let sentinel = try RedisServer(
            sentinel: "sentinel monitor main 127.0.0.1 \(replica.port) 9\nsentinel down-after-milliseconds main 600000",
            port: FreePort.find())
        let engine = try await Self.engine("sentinel://127.0.0.1:\(sentinel.port)/main")
        try await Self.expectReason(engine) { $0 == "it is a replica" }
        try replica.cli("REPLICAOF", "NO", "ONE")
        #expect(try await Self.recover(engine) < .seconds(1))
        try await engine.shutDown()
    }

    @Test("A name that no sentinel knows is a reason, and so is a wrong password")
    func reasons() async throws {
        let redis = try RedisServer(port: FreePort.find())
        let sentinel = try RedisServer(
            sentinel: "requirepass right\nsentinel monitor main 127.0.0.1 \(redis.port) 1", port: FreePort.find())
        let url = "sentinel://127.0.0.1:\(sentinel.port)"
        let right = try await Self.engine("\(url)/main?sentinel_password=right")
        try await right.waitForRedis()
        try await right.shutDown()
        for (rest, reason) in [
            ("other?sentinel_password=right", "does not know that name"), ("main?sentinel_password=wrong", "WRONGPASS"),
            ("main", "NOAUTH"),
        ] {
            let engine = try await Self.engine("\(url)/\(rest)")
            try await Self.expectReason(engine) { $0.contains(reason) && !$0.contains("wrong ") }
            #expect(try await engine.decide(.init("a", ["user": "u"])).basis == .policy)
            try await engine.shutDown()
        }
    }

    private static func expectReason(
        _ engine: EngineHarness, _ sourceLocation: SourceLocation = #_sourceLocation, _ isIt: (String) -> Bool
    ) async throws {
        var reason = ""
        for _ in 0..<300 where reason.isEmpty {
            try await Task.sleep(for: .milliseconds(10))
            reason = try await engine.run { $0.queues[0].link.lastError } ?? ""
        }
        #expect(isIt(reason), "\(reason)", sourceLocation: sourceLocation)
    }
}
