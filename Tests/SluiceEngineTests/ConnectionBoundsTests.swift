import Foundation
import SluiceClient
import SluiceWire
import Synchronization
import TestSupport
import Testing

/// A running service with its bounds made small, and clients that go beyond them.
@Suite("Every bound on connections, at its edge", .timeLimit(.minutes(2)))
struct ConnectionBoundsTests {
    private static let limits = """
        version: 1
        rules:
          - { name: r, check: a, per: [user], limits: [ { max: 1000000, window: 1m } ] }

        """

    private static func start(
        _ redis: RedisServer, _ settings: String, _ arguments: [String] = []
    ) async throws -> ServiceProcess {
        try await ServiceProcess.start(
            limits: limits, redis: "unix://\(redis.socket)", settings: settings, arguments)
    }

    private static func request(_ user: String = "u") -> WireCheckRequest {
        WireCheckRequest(action: "a", entities: [WireEntity("user", user)])
    }

    private static func ask(_ client: SluiceClient, _ user: String = "u") async throws -> WireBasis {
        try await client.check(request(user), deadline: .milliseconds(900)).basis
    }

    private static func greeted(_ endpoint: Endpoint, from source: UInt8? = nil) throws -> RawConnection? {
        let connection = try RawConnection(endpoint, from: source)
        connection.send(Preface.bytes)
        return try connection.next()?.header.kind == .hello ? connection : nil
    }

    private static func stat(_ service: ServiceProcess, _ name: String, _ reason: String) async throws -> Double {
        try await service.stats()["sluice_connections_\(name)_total{reason=\"\(reason)\"}"] ?? -1
    }

    /// Waits until `condition` holds, at most five seconds.
    private static func wait(_ condition: () async throws -> Bool) async throws {
        for _ in 0..<500 {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("it did not come about")
    }

    // MARK: - How many

    @Test("connections: the next one is closed at once; the admin listener has its own bound")
    func connections() async throws {
        let redis = try RedisServer()
        let service = try await Self.start(
            redis, "bounds: { connections: 2, connections_per_peer: 0, admin_connections: 2 }\n")
        let (data, admin) = (try service.endpoint("data"), try service.endpoint("admin"))
        var held = [try Self.greeted(data), try Self.greeted(data)]
        #expect(!held.contains { $0 == nil })
        #expect(try Self.greeted(data) == nil)
        #expect(try await Self.stat(service, "refused", "limit") == 1)
        let operators = [try Self.greeted(admin), try Self.greeted(admin)]
        #expect(!operators.contains { $0 == nil })
        #expect(try Self.greeted(admin) == nil)
        held.removeLast()
        try await Self.wait { try Self.greeted(data) != nil }
    }

    @Test("connections_per_peer: another address is still let in, and a Unix socket's clients are not counted")
    func peers() async throws {
        let redis = try RedisServer()
        let service = try await Self.start(redis, "bounds: { connections_per_peer: 2 }\n")
        let data = try service.endpoint("data")
        let held = [try Self.greeted(data), try Self.greeted(data)]
        #expect(try Self.greeted(data) == nil)
        #expect(try Self.greeted(data, from: 2) != nil)
        #expect(try await Self.stat(service, "refused", "peer") == 1)
        #expect(!held.contains { $0 == nil })
        let local = try await Self.start(
            redis, "bounds: { connections_per_peer: 1 }\n", ["--listen", "unix:\(redis.folder)/data.sock"])
        let endpoint = try local.endpoint("data")
        let neighbours = try (0..<3).map { _ in try Self.greeted(endpoint) }
        #expect(!neighbours.contains { $0 == nil })
    }

    // MARK: - How long

    @Test("first_frame: a stranger who says nothing goes, one with a preface stays")
    func firstFrame() async throws {
        let redis = try RedisServer()
        let service = try await Self.start(redis, "timeouts: { first_frame: 200ms }\n")
        let data = try service.endpoint("data")
        let client = try #require(try Self.greeted(data))
        let stranger = try RawConnection(data)
        stranger.send(Array(Preface.bytes.prefix(4)))
        #expect(try stranger.next() == nil)
        #expect(try await Self.stat(service, "cut", "first_frame") == 1)
        client.send(Bytes.check(Self.request(), micros: 1_000_000))
        #expect(try client.response()?.header.status == .ok)
    }

    @Test("frame: who dribbles a frame goes, who sends whole ones stays")
    func frame() async throws {
        let redis = try RedisServer()
        let service = try await Self.start(redis, "timeouts: { frame: 300ms }\n")
        let data = try service.endpoint("data")
        let (slow, good) = (try #require(try Self.greeted(data)), try #require(try Self.greeted(data)))
        let bytes = Bytes.check(Self.request(), micros: 1_000_000)
        var isAlive = true
        let start = ContinuousClock.now
        // As long as one byte follows another it would never be idle.
        for byte in bytes + bytes where isAlive {
            isAlive = slow.send([byte])
            good.send(Bytes.ping())
            #expect(try good.next()?.header.kind == .pong)
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(!isAlive)
        #expect(ContinuousClock.now - start < .seconds(2))
        #expect(try await Self.stat(service, "cut", "frame") == 1)
    }

    @Test("idle: told to go and closed; a ping now and then is enough to stay")
    func idle() async throws {
        let redis = try RedisServer()
        let service = try await Self.start(redis, "timeouts: { idle: 400ms }\n")
        let data = try service.endpoint("data")
        let (idle, alive) = (try #require(try Self.greeted(data)), try #require(try Self.greeted(data)))
        for _ in 0..<8 {
            alive.send(Bytes.ping())
            #expect(try alive.next()?.header.kind == .pong)
            try await Task.sleep(for: .milliseconds(100))
        }
        #expect(try await Self.stat(service, "cut", "idle") == 1)
        #expect(try idle.rest().map(\.header.kind) == [.goAway])
    }

    @Test("connection_age: a client that follows GOAWAY loses no call", .timeLimit(.minutes(1)))
    func age() async throws {
        let redis = try RedisServer()
        let service = try await Self.start(redis, "timeouts: { connection_age: 150ms }\n")
        let answers = try await service.withClient { (client) async throws -> Int in
            var answers = 0
            let start = ContinuousClock.now
            while ContinuousClock.now - start < .seconds(2) {
                #expect(try await Self.ask(client) == .redis)
                answers += 1
            }
            return answers
        }
        #expect(try await Self.stat(service, "cut", "age") >= 5)
        // Each was counted once.
        let used = try await service.withClient("admin") { client in
            try await client.inspect(WireInspectRequest.with { $0.entities = [WireEntity("user", "u")] })
                .usages.first?.used
        }
        #expect(used == UInt64(answers))
    }

    // MARK: - Who does not read

    @Test("unread: who reads nothing for that long is cut, and others do not notice")
    func unread() async throws {
        let redis = try RedisServer()
        let service = try await Self.start(
            redis, "timeouts: { unread: 500ms }\n", ["--listen", "unix:\(redis.folder)/data.sock"])
        let data = try service.endpoint("data")
        let good = try #require(try Self.greeted(data))
        let silent = try await blocking { Unchecked(try RawConnection.flooding(data)) }
        good.send(Bytes.check(Self.request(), micros: 1_000_000))
        #expect(try good.response()?.header.status == .ok)
        try await Self.wait { try await Self.stat(service, "cut", "unread") == 1 }
        #expect(try await service.stats()["sluice_connections{listener=\"data\"}"] == 1)
        _ = silent
    }

    @Test("unread_bytes: more than that many, and it is cut without waiting")
    func unreadBytes() async throws {
        let redis = try RedisServer()
        let service = try await Self.start(
            redis, "bounds: { unread_bytes: 65536 }\ntimeouts: { unread: 1h }\n",
            ["--listen", "unix:\(redis.folder)/data.sock"])
        let data = try service.endpoint("data")
        let silent = try await blocking { Unchecked(try RawConnection.flooding(data)) }
        try await Self.wait { try await Self.stat(service, "cut", "unread") == 1 }
        _ = silent
    }

    // MARK: - Many

    @Test("5,000 connections that dribble: little memory for each, and others are served meanwhile")
    func dribblers() async throws {
        let redis = try RedisServer()
        let service = try await Self.start(redis, "timeouts: { frame: 3s }\n")
        let data = try service.endpoint("data")
        // A long frame first, whose room the beginning of the next one must not keep.
        let long = Bytes.request(.check, [UInt8](repeating: 0xFF, count: 16_000))
        let start = Preface.bytes + long + Array(Bytes.check(Self.request()).prefix(10))
        var times: [Duration] = []
        let (before, dribblers) = try await service.withClient { (client) async throws in
            // Its connection is there before theirs come.
            #expect(try await Self.ask(client, "good") == .redis)
            let before = service.residentBytes
            let opening = Task {
                try await blocking {
                    Unchecked(
                        try (0..<5_000).map { _ in
                            let connection = try RawConnection(data)
                            connection.send(start)
                            return connection
                        })
                }
            }
            for _ in 0..<300 {
                let start = ContinuousClock.now
                #expect(try await Self.ask(client, "good") == .redis)
                times.append(ContinuousClock.now - start)
            }
            return (before, try await opening.value)
        }
        try await Self.wait {
            let stats = try await service.stats()
            return (stats["sluice_connections_accepted_total"] ?? 0) > 5_000
        }
        let each = (service.residentBytes - before) / 5_000
        times.sort()
        print("bytes for each dribbling connection: \(each); calls beside them: 99 in 100 \(times[297])")
        #expect(each < 20_000)
        #expect(times[297] < .milliseconds(250))
        try await Self.wait { try await Self.stat(service, "cut", "frame") == 5_000 }
        #expect(try await service.stats()["sluice_connections{listener=\"data\"}"] == 0)
        _ = dribblers
    }

    @Test("fair_above: one client with twenty times its share is cut down to it, and others are decided by Redis")
    func fairness() async throws {
        let redis = try RedisServer()
        let service = try await Self.start(
            redis, "bounds: { fair_above: 256 }\ndeadline: { default: 500ms }\n")
        let data = try service.endpoint("data")
        let isOver = Flag()
        let greedy = Task {
            try await blocking {
                let connection = try RawConnection(data)
                connection.send(Preface.bytes)
                _ = try connection.next()
                var refused = 0
                while !isOver.isSet {
                    connection.send(
                        (1...2_000).flatMap { Bytes.check(Self.request("greedy"), stream: $0, micros: 500_000) })
                    for _ in 0..<2_000 where try connection.next()?.header.status == .resourceExhausted { refused += 1 }
                }
                return refused
            }
        }
        try await Task.sleep(for: .milliseconds(100))
        var times: [Duration] = []
        try await service.withClient { (client) async throws in
            for _ in 0..<300 {
                let start = ContinuousClock.now
                #expect(try await Self.ask(client, "good") == .redis)
                times.append(ContinuousClock.now - start)
            }
        }
        isOver.set()
        let refused = try await greedy.value
        times.sort()
        print("beside a greedy client: median \(times[150]), 99 in 100 \(times[297]); it was refused \(refused)")
        #expect(refused > 0)
        #expect(times[297] < .milliseconds(250))
    }
}

/// Set once, seen from everywhere.
final class Flag: Sendable {
    private let flag = Atomic(false)

    var isSet: Bool { flag.load(ordering: .acquiring) }
    func set() { flag.store(true, ordering: .releasing) }
}

/// Carries what is not shared out of a thread.
struct Unchecked<Value>: @unchecked Sendable {
    var value: Value

    init(_ value: Value) { self.value = value }
}
