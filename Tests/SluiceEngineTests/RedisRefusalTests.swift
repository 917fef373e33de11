import NIOCore
import SluiceModel
import SluiceReference
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

/// Real servers that refuse in each way, and are well again.
@Suite("Redis that refuses, forgets or is restarted", .timeLimit(.minutes(2)))
struct RedisRefusalTests {
    private static func engine(_ redis: RedisServer) async throws -> EngineHarness {
        try await EngineHarness(
            redis: redis, rules: [Rule.perUser(max: 1_000_000, windowMs: 60_000)],
            settings: EngineHarness.settings(clock: .redis))
    }

    private static func basis(_ engine: EngineHarness) async throws -> WireBasis {
        try await engine.decide(.init("a", ["user": "u"]), timeout: .seconds(2)).basis
    }

    private static func waitFor(
        _ what: String, within: TimeAmount = .seconds(5), _ engine: EngineHarness,
        _ isSo: @escaping @Sendable (Decider) -> Bool
    ) async throws {
        let began = NIODeadline.now()
        while NIODeadline.now() - began < within {
            if try await engine.run(isSo) { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        Issue.record("\(what)")
    }

    @Test("Too few replicas: counted as such, nothing written, and well with the setting")
    func noReplicas() async throws {
        let redis = try RedisServer()
        let look = try RedisConnection(socket: redis.socket)
        let engine = try await Self.engine(redis)
        try look.command("CONFIG", "SET", "min-replicas-to-write", "1")
        #expect(try await Self.basis(engine) == .policy)
        #expect(try await engine.run { $0.metrics.failures } == [.noReplicas: 1])
        #expect(try look.command("DBSIZE").number == 0)
        try look.command("CONFIG", "SET", "min-replicas-to-write", "0")
        try await Task.sleep(for: .milliseconds(1_050))
        #expect(try await Self.basis(engine) == .redis)
        #expect(try await engine.run { $0.queues[0].link.losses } == 0)
        try await engine.shutDown()
    }

    @Test("Somebody else's script that does not end: the connection stays, and serves when it is killed")
    func busy() async throws {
        let redis = try RedisServer(["--busy-reply-threshold", "20"])
        let look = try RedisConnection(socket: redis.socket)
        let engine = try await Self.engine(redis)
        let spin = Task.detached {
            try RedisConnection(socket: redis.socket).command("EVAL", "while true do end", "0")
        }
        try await Task.sleep(for: .milliseconds(200))
        #expect(try await Self.basis(engine) == .policy)
        #expect(try await engine.run { $0.metrics.failures } == [.busy: 1])
        try look.command("SCRIPT", "KILL")
        _ = try await spin.value
        try await Task.sleep(for: .milliseconds(1_050))
        #expect(try await Self.basis(engine) == .redis)
        #expect(try await engine.run { $0.queues[0].link.losses } == 0)
        try await engine.shutDown()
    }

    @Test("A full server: live connections are kept, new ones come back a second after there is room")
    func maxClients() async throws {
        let redis = try RedisServer()
        let look = try RedisConnection(socket: redis.socket)
        let engine = try await Self.engine(redis)
        try look.command("CONFIG", "SET", "maxclients", "1")
        #expect(try await Self.basis(engine) == .redis)
        try look.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        try await Self.waitFor("refused", engine) {
            $0.queues[0].link.lastError?.contains("max number of clients") == true
        }
        #expect(try await Self.basis(engine) == .policy)
        try look.command("CONFIG", "SET", "maxclients", "100")
        try await Self.waitFor("connected", within: .milliseconds(1_600), engine) { $0.queues[0].link.isReady }
        #expect(try await Self.basis(engine) == .redis)
        try await engine.shutDown()
    }

    @Test("A primary that becomes a replica is left, and found again when it is one no more")
    func demotion() async throws {
        let other = try RedisServer(port: FreePort.find())
        let redis = try RedisServer()
        let look = try RedisConnection(socket: redis.socket)
        let engine = try await Self.engine(redis)
        try look.command("REPLICAOF", "127.0.0.1", "\(other.port)")
        let calls = (0..<300).map { (request: ReferenceModel.Request("a", ["user": "u\($0)"]), atMs: UInt64?.none) }
        _ = try await engine.decide(calls, timeout: .seconds(2))
        // Redis has said so of every run that was out: nothing is unknown.
        let failures = try await engine.run { $0.metrics.failures }
        #expect(failures[.connectionLost] == nil)
        #expect(failures[.readOnly] ?? 0 > 0)
        try await Self.waitFor("refused", engine) { $0.queues[0].link.lastError == "it is a replica" }
        try look.command("REPLICAOF", "NO", "ONE")
        try await Self.waitFor("connected", within: .milliseconds(1_600), engine) { $0.queues[0].link.isReady }
        #expect(try await Self.basis(engine) == .redis)
        try await engine.shutDown()
    }

    @Test("A server that comes back empty has lost counters; one with its append-only file has not")
    func countersLost() async throws {
        for (arguments, lost) in [([], UInt64(1)), (["--appendonly", "yes", "--appendfsync", "always"], 0)] {
            let redis = try RedisServer(arguments)
            let engine = try await Self.engine(redis)
            #expect(try await Self.basis(engine) == .redis)
            // A connection that is lost alone is none.
            try RedisConnection(socket: redis.socket).command("CLIENT", "KILL", "TYPE", "normal")
            try await Self.waitFor("lost", engine) { $0.queues[0].link.losses == 1 }
            try await Self.waitFor("connected", engine) { $0.queues[0].link.isReady }
            #expect(try await engine.run { $0.queues[0].link.countersLost } == 0)
            #expect(try await Self.basis(engine) == .redis)
            redis.stop()
            try redis.restart()
            // Somebody else was here first.
            try RedisConnection(socket: redis.socket).command("SET", "sluice1:{*}", "1")
            try await Self.waitFor("connected", engine) { $0.queues[0].link.connects == 3 }
            #expect(try await engine.run { $0.queues[0].link.countersLost } == lost, "\(arguments)")
            try await engine.shutDown()
        }
    }

    @Test("A policy that evicts is noticed")
    func evicting() async throws {
        for (policy, isEvicting) in [("noeviction", false), ("allkeys-lru", true)] {
            let redis = try RedisServer(["--maxmemory-policy", policy])
            let engine = try await Self.engine(redis)
            #expect(try await engine.run { $0.queues[0].link.isEvicting } == isEvicting)
            try await engine.shutDown()
        }
    }

    @Test("A user without the right to look at the server is served all the same")
    func withoutRights() async throws {
        let redis = try RedisServer()
        try RedisConnection(socket: redis.socket).command(
            "ACL", "SETUSER", "limiter", "on", ">secret", "~*", "+@all", "-info", "-role")
        let engine = try await EngineHarness(
            target: try RedisTarget(url: "unix://limiter:secret@\(redis.socket)"),
            rules: [Rule.perUser(max: 5, windowMs: 60_000)], settings: EngineHarness.settings(clock: .redis))
        try await engine.waitForRedis()
        #expect(try await Self.basis(engine) == .redis)
        try await engine.shutDown()
    }
}
