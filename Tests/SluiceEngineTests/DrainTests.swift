import Foundation
import SluiceClient
import SluiceWire
import TestSupport
import Testing

/// SIGTERM while something is wrong.
@Suite("A drain ends within its grace, whatever hangs", .timeLimit(.minutes(2)))
struct DrainTests {
    private static let limits = """
        version: 1
        rules:
          - { name: r, check: a, per: [user], limits: [ { max: 1000000, window: 1m } ] }

        """
    private static let request = WireCheckRequest(action: "a", entities: [WireEntity("user", "u")])

    /// Ends the service and tells how long that took; nil if it did not end in order.
    private static func end(_ service: ServiceProcess) async -> Duration? {
        let start = ContinuousClock.now
        service.signal(SIGTERM)
        guard await service.exitStatus() == 0 else { return nil }
        return ContinuousClock.now - start
    }

    private static func start(
        _ redis: RedisServer, _ settings: String = "timeouts: { drain: 700ms }\n", _ arguments: [String] = []
    ) async throws -> ServiceProcess {
        try await ServiceProcess.start(
            limits: limits, redis: "unix://\(redis.socket)", settings: settings,
            ["--http", "127.0.0.1:0", "--listen", "unix:\(redis.folder)/data.sock"] + arguments)
    }

    @Test("Redis hangs: what was read is answered by policy at its deadline")
    func redisHangs() async throws {
        let redis = try RedisServer()
        let service = try await Self.start(redis, "timeouts: { drain: 5s }\n")
        let connection = try RawConnection(service.endpoint("data"))
        connection.send(Preface.bytes)
        #expect(try connection.next()?.header.kind == .hello)
        redis.freeze()
        defer { redis.resume() }
        connection.send((1...10).flatMap { Bytes.check(Self.request, stream: $0, micros: 400_000) } + Bytes.ping())
        #expect(try connection.next()?.header.kind == .pong)
        let ending = Task { await Self.end(service) }
        let frames = try connection.rest()
        #expect(frames.first?.header.kind == .goAway)
        #expect(Set(frames.dropFirst().map(\.header.stream)) == Set(1...10))
        for frame in frames.dropFirst() {
            #expect(try WireCheckResponse(payload: frame.payload).basis == .policy)
        }
        let took = try #require(await ending.value)
        #expect(took < .seconds(4))
    }

    @Test("A client does not read, one dribbles a frame, one has said nothing yet, and over HTTP the same")
    func clientsHang() async throws {
        let redis = try RedisServer()
        let service = try await Self.start(redis)
        let endpoint = try service.endpoint("data")
        let silent = try await blocking { Unchecked(try RawConnection.flooding(endpoint)) }
        let dribbler = try RawConnection(endpoint)
        dribbler.send(Preface.bytes + Array(Bytes.check(Self.request).prefix(10)))
        let stranger = try RawConnection(endpoint)
        let web = try RawConnection(try Endpoint(service.address("http")))
        web.send(Array("GET /metrics HTTP/1.1\r\nHost: 127".utf8))
        let reader = try RawConnection(try Endpoint(service.address("http")))
        // More pages than the sockets hold, and none of them is read.
        _ = reader.sendWhatFits(
            Array(String(repeating: "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", count: 1_000).utf8))
        try await Task.sleep(for: .milliseconds(500))
        let took = try #require(await Self.end(service))
        // The grace of both, and what a busy machine adds.
        #expect(took < .seconds(4))
        withExtendedLifetime((silent, dribbler, stranger, web, reader)) {}
    }
}
