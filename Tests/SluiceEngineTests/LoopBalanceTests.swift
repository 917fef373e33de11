import Foundation
import Logging
import NIOCore
import NIOPosix
import SluiceModel
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

@Suite("Connections over event loops")
struct LoopBalanceTests {
    private static let loops = 3

    /// Data connections of each loop.
    private static func counts(_ core: ServiceCore) async throws -> [Int] {
        var counts: [Int] = []
        for handle in core.lanes {
            counts.append(try await handle.run { $0.server.connectionCount(of: .data) }.get())
        }
        return counts
    }

    private static func wait(for counts: [Int], _ core: ServiceCore) async throws {
        for _ in 0..<1_000 where try await self.counts(core) != counts { try await Task.sleep(for: .milliseconds(5)) }
        #expect(try await self.counts(core) == counts)
    }

    /// Opens a connection and tells which loop has it.
    private static func open(_ endpoint: Endpoint, _ core: ServiceCore) async throws -> (RawConnection, loop: Int) {
        let before = try await counts(core)
        let connection = try RawConnection(endpoint)
        for _ in 0..<1_000 {
            for (loop, pair) in zip(before, try await counts(core)).enumerated() where pair.1 > pair.0 {
                return (connection, loop)
            }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw RawConnection.Failure.silent
    }

    @Test("A new connection goes to the loop that has the fewest", arguments: [false, true])
    func balance(overUnix: Bool) async throws {
        let path = "\(NSTemporaryDirectory())/balance-\(UUID().uuidString.prefix(8)).sock"
        let group = MultiThreadedEventLoopGroup(numberOfThreads: Self.loops)
        let core = ServiceCore(settings: ServiceSettings())
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let rules = ActiveRules(
            LimitsFile(rules: []), generation: 1,
            source: ActiveRules.Source(path: "", yaml: "", sha256: "", loadedAtMs: 0), keyPrefix: "sluice")
        // No Redis: without rules nothing asks it.
        let nowhere = RedisTarget(endpoint: .unix(path: "/nonexistent/redis.sock"))
        try await core.start(rules: rules, target: nowhere, group: group, logger: logger)
        let endpoint = overUnix ? Endpoint.unix(path: path) : .tcp(host: "127.0.0.1", port: 0)
        let listener = try await Listener(.data, core).listen(on: endpoint, group)
        let address = endpoint.bound(to: listener.localAddress)

        var clients: [(RawConnection, loop: Int)] = []
        for _ in 0..<9 { clients.append(try await Self.open(address, core)) }
        #expect(try await Self.counts(core) == [3, 3, 3])
        clients.removeAll { $0.loop != 1 }
        try await Self.wait(for: [0, 3, 0], core)
        // In turn, a third of these would go to the second loop all the same.
        for _ in 0..<6 { clients.append(try await Self.open(address, core)) }
        #expect(try await Self.counts(core) == [3, 3, 3])
        // One that changed loops is served as any other.
        for (client, _) in clients {
            client.send(Preface.bytes + Bytes.ping())
            #expect(try client.next()?.header.kind == .hello)
            #expect(try client.next()?.header.kind == .pong)
        }
        clients.removeAll()
        try await Self.wait(for: [0, 0, 0], core)
        try await listener.close()
        await core.shutDown()
        try await group.shutdownGracefully()
    }

    @Test("A seat is given up once, and full loops stay as they are")
    func seats() {
        let balance = LoopBalance(loops: 2)
        let first = balance.seat(from: 1)
        #expect(first.loop == 1)
        #expect(balance.seat(from: 1).loop == 0)
        #expect(balance.seat(from: 1).loop == 1)
        first.leave()
        first.leave()
        #expect(balance.seat(from: 0).loop == 0)
        #expect(balance.seat(from: 0).loop == 1)
    }
}
