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
        let listener = try await Listener(.data, core, logger: logger).listen(on: endpoint, group)
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
    func seats() throws {
        let balance = LoopBalance(loops: 2)
        let first = try balance.seat(from: 1)
        #expect(first.loop == 1)
        #expect(try balance.seat(from: 1).loop == 0)
        #expect(try balance.seat(from: 1).loop == 1)
        first.leave()
        first.leave()
        #expect(try balance.seat(from: 0).loop == 0)
        #expect(try balance.seat(from: 0).loop == 1)
    }

    private static func peer(_ address: String) throws -> PeerAddress? {
        PeerAddress(try SocketAddress(ipAddress: address, port: 1))
    }

    @Test("No more connections than there may be, and no more of one address, until one of them leaves")
    func bounds() throws {
        let balance = LoopBalance(loops: 2, most: 3, mostPerPeer: 2)
        let (one, other) = (try Self.peer("10.0.0.1"), try Self.peer("10.0.0.2"))
        #expect(one != other)
        #expect(one == PeerAddress(try SocketAddress(ipAddress: "10.0.0.1", port: 2)))
        let first = try balance.seat(from: 0, peer: one)
        let second = try balance.seat(from: 0, peer: one)
        #expect(throws: ConnectionRefusal.peer) { try balance.seat(from: 0, peer: one) }
        let third = try balance.seat(from: 0, peer: other)
        #expect(throws: ConnectionRefusal.limit) { try balance.seat(from: 0, peer: other) }
        second.leave()
        #expect(try balance.seat(from: 0, peer: one).loop == second.loop)
        third.leave()
        first.leave()
        first.leave()
        #expect(throws: Never.self) { try balance.seat(from: 0, peer: one) }
    }

    @Test("A Unix socket's clients have no address, and only the bound on all of them")
    func unix() throws {
        let balance = LoopBalance(loops: 1, most: 3, mostPerPeer: 1)
        let peer = PeerAddress(try SocketAddress(unixDomainSocketPath: "/x"))
        #expect(peer == nil)
        for _ in 0..<3 { _ = try balance.seat(from: 0, peer: peer) }
        #expect(throws: ConnectionRefusal.limit) { try balance.seat(from: 0, peer: peer) }
        #expect(try Self.peer("2001:db8::1") != Self.peer("2001:db8::2"))
        #expect(try Self.peer("2001:db8::1") == Self.peer("2001:db8::1"))
    }
}
