import Foundation
import TestSupport
import Testing

/// A proxy is trusted with what other tests see, so each of its faults is seen here first.
@Suite("A proxy that spoils connections", .serialized)
struct ChaosProxyTests {
    private let redis: RedisServer
    private let proxy: ChaosProxy

    init() throws {
        redis = try RedisServer()
        proxy = try ChaosProxy(to: .unix(path: redis.socket))
    }

    private func connect(timeoutMs: Int = 300) throws -> RedisConnection {
        try RedisConnection(port: proxy.port, timeoutMs: timeoutMs)
    }

    /// In ms.
    private func time(_ body: () throws -> Void) rethrows -> Double {
        let start = ContinuousClock.now
        try body()
        return (ContinuousClock.now - start) / .milliseconds(1)
    }

    @Test("Forwards what comes, whole and in order, and counts it")
    func faithful() throws {
        let connection = try connect(timeoutMs: 3_000)
        let value = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        for round in 0..<2 {
            #expect(try connection.command([Array("SET".utf8), Array("k\(round)".utf8), value]).string == "OK")
            #expect(try connection.command("GET", "k\(round)").bytes == value)
        }
        #expect(try connection.command("EVAL", "return {1, {'a', false}, 'b'}", "0").elements.count == 3)
        let counts = proxy.counts
        #expect(counts.commands == ["SET": 2, "GET": 2, "EVAL": 1])
        #expect(counts.replies == 5)
        #expect(counts.accepted == 1)
        #expect(counts.open == 1)
        #expect(counts.bytesToRedis > 2 * value.count)
        #expect(counts.bytesToClients > 2 * value.count)
    }

    @Test("Delays one direction or the other")
    func delay() throws {
        let connection = try connect()
        proxy.toRedis { $0.delayMs = 30 }
        #expect(try time { try connection.command("PING") } >= 30)
        proxy.heal()
        proxy.toClients {
            $0.delayMs = 20
            $0.jitterMs = 20
        }
        let times = try (0..<8).map { _ in try time { try connection.command("PING") } }
        #expect(times.allSatisfy { $0 >= 20 && $0 < 120 })
        #expect((times.max() ?? 0) - (times.min() ?? 0) > 3)
        proxy.heal()
        #expect(try time { try connection.command("PING") } < 20)
    }

    @Test("Holds a direction to its bandwidth")
    func bandwidth() throws {
        let connection = try connect(timeoutMs: 5_000)
        try connection.command([Array("SET".utf8), Array("k".utf8), [UInt8](repeating: 1, count: 8_000)])
        proxy.toClients { $0.bytesPerSecond = 8_000 }
        let took = try time { try connection.command("GET", "k") }
        #expect(took > 800 && took < 1_600, "\(took) ms")
    }

    @Test("Writes one byte at a time, or all that came in a while at once")
    func pieces() throws {
        let connection = try connect()
        proxy.toClients { $0.largestWrite = 1 }
        proxy.toRedis { $0.largestWrite = 1 }
        #expect(try connection.command("ECHO", "one byte at a time").string == "one byte at a time")
        proxy.heal()
        proxy.toClients { $0.glueMs = 40 }
        #expect(try time { try connection.command("PING") } >= 40)
    }

    @Test("Drops a request, which Redis then never sees")
    func dropRequest() throws {
        let connection = try connect()
        proxy.trap(.dropRequest, on: "INCR")
        #expect(try connection.command("PING").string == "PONG")
        #expect(throws: RedisConnection.Broken.self) { try connection.command("INCR", "n") }
        #expect(try redis.cli("GET", "n") == "")
        // Nor anything after it; another connection is as good as new.
        #expect(throws: RedisConnection.Broken.self) { try connection.command("PING") }
        #expect(try connect().command("INCR", "n").number == 1)
        #expect(proxy.counts.trapped == 1)
        #expect(proxy.counts.commands["INCR"] == 1)
    }

    @Test("Drops a reply alone: Redis has done what was asked")
    func dropReply() throws {
        let connection = try connect()
        proxy.trap(.dropReply, on: "INCR")
        #expect(throws: RedisConnection.Broken.self) { try connection.command("INCR", "n") }
        #expect(try redis.cli("GET", "n") == "1")
    }

    @Test("Resets in the middle of a reply")
    func resetInReply() throws {
        let connection = try connect(timeoutMs: 2_000)
        try connection.command("SET", "k", "value")
        proxy.trap(.resetInReply, on: "GET")
        let took = time {
            #expect(throws: RedisConnection.Broken.self) { try connection.command("GET", "k") }
        }
        #expect(took < 1_000)
        #expect(proxy.counts.bytesToClients > "+OK\r\n".utf8.count)
    }

    @Test("Corrupts one byte of a reply")
    func corrupt() throws {
        for (byte, expected) in [(ProxyTrap.ReplyByte.kind, "?PONG\r\n"), (.length, "+xONG\r\n"), (.end, "+PONGx\n")] {
            let raw = try RawSocket(port: proxy.port)
            proxy.trap(.corruptReply(byte), on: "PING")
            raw.send("*1\r\n$4\r\nPING\r\n")
            #expect(raw.receive(expected.utf8.count) == expected)
        }
    }

    @Test("Freezes a direction, and lets go of all that waited")
    func freeze() throws {
        let connection = try connect()
        proxy.toRedis { $0.isFrozen = true }
        #expect(throws: RedisConnection.Broken.self) { try connection.command("INCR", "n") }
        #expect(try redis.cli("GET", "n") == "")
        proxy.heal()
        usleep(50_000)
        #expect(try redis.cli("GET", "n") == "1")
        proxy.toClients { $0.isFrozen = true }
        let other = try connect()
        #expect(throws: RedisConnection.Broken.self) { try other.command("INCR", "n") }
        #expect(try redis.cli("GET", "n") == "2")
    }

    @Test("Swallows what is open without a word, and what is new if told")
    func blackHole() throws {
        let connection = try connect()
        try connection.command("PING")
        proxy.swallowOpen()
        let took = time {
            #expect(throws: RedisConnection.Broken.self) { try connection.command("PING") }
        }
        #expect(took > 250)
        #expect(try connect().command("PING").string == "PONG")
        proxy.swallowNew()
        #expect(throws: RedisConnection.Broken.self) { try connect().command("PING") }
        proxy.heal()
        #expect(try connect().command("PING").string == "PONG")
    }

    @Test("Refuses connections, and takes them again on the same port")
    func refuse() throws {
        let connection = try connect()
        try connection.command("PING")
        proxy.refuseConnections()
        usleep(50_000)
        #expect(throws: RedisConnection.Broken.self) { try connect() }
        #expect(try connection.command("PING").string == "PONG")
        proxy.heal()
        #expect(try connect().command("PING").string == "PONG")
    }

    @Test("Closes and resets what is open, and follows when Redis ends")
    func endings() throws {
        for end in [{ $0.closeOpen() }, { $0.resetOpen() }, { _ in self.redis.stop() }] as [(ChaosProxy) -> Void] {
            let connection = try connect(timeoutMs: 2_000)
            try connection.command("PING")
            let took = time {
                end(proxy)
                #expect(throws: RedisConnection.Broken.self) { while true { try connection.command("PING") } }
            }
            #expect(took < 1_000)
        }
        try redis.restart()
        #expect(try connect().command("PING").string == "PONG")
    }

    @Test("Passes on what is no RESP")
    func opaque() throws {
        let raw = try RawSocket(port: proxy.port)
        raw.send("\u{16}\u{3}hello\r\n")
        #expect(raw.receive(4).hasPrefix("-ERR"))
    }
}
