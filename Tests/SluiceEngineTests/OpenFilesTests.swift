import Foundation
import SluiceClient
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

@Suite("When descriptors run out", .timeLimit(.minutes(1)))
struct OpenFilesTests {
    private static let limits = """
        version: 1
        rules:
          - { name: r, check: a, per: [user], limits: [ { max: 100000, window: 1m } ] }

        """
    private static let check = Bytes.check(
        WireCheckRequest(action: "a", entities: [WireEntity("user", "u")]), micros: 1_000_000)

    /// Whether the connection is served, by a HELLO and an answer from Redis.
    private static func isServed(_ connection: RawConnection) throws -> Bool {
        guard connection.send(Preface.bytes + check), let frame = try connection.response() else { return false }
        return try WireCheckResponse(payload: frame.payload).basis == .redis
    }

    @Test("Connections are cut to what the limit leaves, and half of it at most is kept back")
    func share() {
        #expect(OpenFiles.connections(wanted: 20_000, reserve: 136, limit: 65_536) == 20_000)
        #expect(OpenFiles.connections(wanted: 20_000, reserve: 136, limit: 20_136) == 20_000)
        #expect(OpenFiles.connections(wanted: 20_000, reserve: 136, limit: 20_135) == 19_999)
        #expect(OpenFiles.connections(wanted: 20_000, reserve: 136, limit: 1_024) == 888)
        #expect(OpenFiles.connections(wanted: 20_000, reserve: 136, limit: 100) == 50)
        #expect(OpenFiles.connections(wanted: 20_000, reserve: 136, limit: 1) == 1)
    }

    @Test("With a low limit the surplus is refused, and the admin socket answers")
    func lowLimit() async throws {
        let redis = try RedisServer()
        let service = try await ServiceProcess.start(
            limits: Self.limits, redis: "unix://\(redis.socket)",
            settings: "bounds: { connections_per_peer: 0 }\n", openFiles: 120)
        #expect(service.log.contains("the limit of open files allows fewer connections than bounds.connections"))
        let endpoint = try service.endpoint("data")
        let (served, refused) = try await blocking {
            let connections = try (0..<100).map { _ in try RawConnection(endpoint) }
            let served = try connections.filter { try Self.isServed($0) }
            return (served.count, connections.count - served.count)
        }
        #expect(served == 60)
        #expect(refused == 40)
        let stats = try await service.stats()
        #expect(stats["sluice_connections_refused_total{reason=\"limit\"}"] == 40)
        #expect(stats["sluice_accept_pauses_total"] == 0)
    }

    @Test("Out of descriptors, accepting pauses and resumes by itself; open connections are served meanwhile")
    func exhausted() async throws {
        let redis = try RedisServer()
        let service = try await ServiceProcess.start(limits: Self.limits, redis: "unix://\(redis.socket)")
        let (data, admin) = (try service.endpoint("data"), try service.endpoint("admin"))
        let before = try RawConnection(data)
        let operators = try RawConnection(admin)
        #expect(try Self.isServed(before))
        #expect(try Self.isServed(operators))
        // Below every number that is free.
        try service.limit(openFiles: 3)
        let late = try RawConnection(data)
        late.send(Preface.bytes + Self.check)
        let start = try ProcessTime.of(service.processIdentifier)
        try await Task.sleep(for: .milliseconds(700))
        // A core that is told no all the time would have used most of that.
        #expect(try ProcessTime.of(service.processIdentifier) - start < 0.2)
        before.send(Self.check)
        #expect(try before.response()?.header.status == .ok)
        operators.send(Bytes.request(.stats, []))
        let answer = try #require(try operators.response())
        let stats = try WireStatsResponse(payload: answer.payload).stats
        let pauses = stats.first { $0.name == "sluice_accept_pauses_total" }?.value ?? 0
        #expect(pauses >= 2 && pauses <= 6)
        try service.limit(openFiles: 20_000)
        #expect(try late.response()?.header.status == .ok)
        #expect(service.log.components(separatedBy: "accepting is paused").count == 2, "told once")
        #expect(service.log.components(separatedBy: "accepting connections again").count == 2)
    }
}

/// CPU time of another process.
enum ProcessTime {
    /// In seconds, user and system.
    static func of(_ pid: Int32) throws -> Double {
        let stat = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
        let fields = stat[(stat.lastIndex(of: ")") ?? stat.startIndex)...].split(separator: " ")
        guard fields.count > 13 else { return 0 }
        return ((Double(fields[12]) ?? 0) + (Double(fields[13]) ?? 0)) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
}
