import Foundation
import SluiceModel
import SluiceReference
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

@Suite("Redis with users, passwords, databases and ports", .timeLimit(.minutes(1)))
struct RedisAccessTests {
    private static let rules = [Rule.perUser(max: 5, windowMs: 60_000)]

    private static func connect(_ url: String) async throws -> EngineHarness {
        try await EngineHarness(
            target: try RedisTarget(url: url), rules: rules, settings: EngineHarness.settings(clock: .redis))
    }

    @Test("A password, percent-encoded, over TCP and into a database")
    func password() async throws {
        let redis = try RedisServer(["--requirepass", "p@ss:/word %"], port: FreePort.find())
        let engine = try await Self.connect("redis://:p%40ss%3A%2Fword%20%25@127.0.0.1:\(redis.port)/5")
        try await engine.waitForRedis()
        #expect(try await engine.decide(.init("a", ["user": "u"])).basis == .redis)
        let look = try RedisConnection(socket: redis.socket)
        try look.command("AUTH", "p@ss:/word %")
        #expect(try look.command("DBSIZE").number == 0)
        try look.command("SELECT", "5")
        #expect(try look.command("EXISTS", "sluice1:{user=u}").number == 1)
        try await engine.shutDown()
    }

    @Test("A user of its own, over a Unix socket and into a database")
    func user() async throws {
        let redis = try RedisServer()
        let look = try RedisConnection(socket: redis.socket)
        try look.command(
            "ACL", "SETUSER", "limiter", "on", ">secret", "~sluice1:*", "+evalsha", "+script|load", "+hget", "+hmget",
            "+hset", "+hdel", "+hkeys", "+pexpire", "+pexpireat", "+time", "+select", "+info", "+role")
        let engine = try await Self.connect("unix://limiter:secret@\(redis.socket)?db=3")
        try await engine.waitForRedis()
        #expect(try await engine.decide(.init("a", ["user": "u"])).basis == .redis)
        try look.command("SELECT", "3")
        #expect(try look.command("EXISTS", "sluice1:{user=u}").number == 1)
        try await engine.shutDown()
    }

    @Test("A wrong password: policy, the reason without the password, and ready when it is right")
    func wrongPassword() async throws {
        let redis = try RedisServer(["--requirepass", "right-one"])
        let engine = try await Self.connect("unix://:wrong-one@\(redis.socket)")
        var reason: String?
        for _ in 0..<200 where reason == nil {
            try await Task.sleep(for: .milliseconds(10))
            reason = try await engine.run { $0.queues[0].link.lastError }
        }
        #expect(reason?.hasPrefix("AUTH: WRONGPASS") == true, "\(reason ?? "none")")
        #expect(reason?.contains("wrong-one") == false)
        #expect(try await engine.decide(.init("a", ["user": "u"])).basis == .policy)
        let look = try RedisConnection(socket: redis.socket)
        try look.command("AUTH", "right-one")
        try look.command("CONFIG", "SET", "requirepass", "wrong-one")
        try await engine.waitForRedis()
        #expect(try await engine.run { $0.queues[0].link.lastError } == nil)
        #expect(try await engine.decide(.init("a", ["user": "u"])).basis == .redis)
        try await engine.shutDown()
    }

    @Test("A user who may not touch the keys is answered by policy with noperm")
    func withoutPermission() async throws {
        let redis = try RedisServer()
        let look = try RedisConnection(socket: redis.socket)
        try look.command(
            "ACL", "SETUSER", "limiter", "on", ">secret", "~other:*", "+@all")
        let engine = try await Self.connect("unix://limiter:secret@\(redis.socket)")
        try await engine.waitForRedis()
        #expect(try await engine.decide(.init("a", ["user": "u"])).basis == .policy)
        #expect(try await engine.run { $0.metrics.failures[.denied] } == 1)
        try await engine.shutDown()
    }

    @Test("A database that is not there is a reason, not a crash")
    func noSuchDatabase() async throws {
        let redis = try RedisServer()
        let engine = try await Self.connect("unix://\(redis.socket)?db=999")
        var reason: String?
        for _ in 0..<200 where reason == nil {
            try await Task.sleep(for: .milliseconds(10))
            reason = try await engine.run { $0.queues[0].link.lastError }
        }
        #expect(reason?.hasPrefix("SELECT: ERR") == true)
        try await engine.shutDown()
    }
}
