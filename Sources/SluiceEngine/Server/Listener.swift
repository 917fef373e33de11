import Foundation
import Logging
import NIOCore
import NIOPosix
import SluiceWire

/// Listens on one address and gives each connection to the event loop that has the fewest of that address.
struct Listener: Sendable {
    /// Thrown to let go of a socket that lives on on another loop.
    private struct MovedOn: Error {}

    /// Bytes that are read from one connection in a turn of the loop: some two hundred requests.
    private static let bytesPerTurn = 16_384

    private let kind: ClientConnection.Kind
    private let lanes: [ServiceCore.Handle]
    private let balance: LoopBalance
    private let accepts: AcceptCount
    private let logger: Logger

    /// Operators get in when clients have taken every descriptor.
    private static let adminSpares = 4

    /// - Parameters:
    ///   - core: has its lanes.
    ///   - most: connections at once.
    ///   - mostPerPeer: of these, from one IP address.
    init(
        _ kind: ClientConnection.Kind, _ core: ServiceCore, most: Int = .max, mostPerPeer: Int = .max, logger: Logger
    ) {
        self.kind = kind
        self.logger = logger
        lanes = core.lanes
        accepts = core.accepts
        balance = LoopBalance(loops: lanes.count, most: most, mostPerPeer: mostPerPeer)
    }

    /// - Throws: `ListenError` when the address cannot be had.
    func listen(on endpoint: Endpoint, _ group: MultiThreadedEventLoopGroup) async throws -> any Channel {
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1_024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        AcceptPause(
                            listener: kind.rawValue, count: accepts, spares: kind == .admin ? Self.adminSpares : 0,
                            logger: logger))
                }
            }
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try accept(channel, endpoint) }
            }
        do {
            switch endpoint {
            case .tcp(let host, let port): return try await bootstrap.bind(host: host, port: port).get()
            case .unix(let path):
                try await Self.checkUnused(path, group)
                return try await bootstrap.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
            }
        } catch {
            throw ListenError(endpoint: endpoint, error)
        }
    }

    // MARK: - Connections

    /// NIO has dealt the connection to a loop already, and a channel stays on its loop. Where another has fewer
    /// connections a channel over there takes the socket, from which nothing has been read yet.
    private func accept(_ channel: any Channel, _ endpoint: Endpoint) throws {
        guard let own = lanes.firstIndex(where: { $0.loop === channel.eventLoop }) else {
            throw ChannelError.ioOnClosedChannel
        }
        let seat: LoopBalance.Seat
        do throws(ConnectionRefusal) {
            seat = try balance.seat(from: own, peer: PeerAddress(channel.remoteAddress))
        } catch {
            lanes[own].lane.value.server.countRefused(error)
            throw error
        }
        guard seat.loop != own, let socket = try Self.copySocket(of: channel) else {
            return try serve(channel, on: own, seat, endpoint)
        }
        ClientBootstrap(group: lanes[seat.loop].loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try serve(channel, on: seat.loop, seat, endpoint) }
            }
            .withConnectedSocket(socket)
            .whenFailure { _ in seat.leave() }
        throw MovedOn()
    }

    /// The same socket under another number; nil when there is none left, and it stays where it is.
    private static func copySocket(of channel: any Channel) throws -> NIOBSDSocket.Handle? {
        let copy = try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(
            of: NIOBSDSocket.Handle.self
        ) { fcntl($0, F_DUPFD_CLOEXEC, 0) }
        return copy.flatMap { $0 < 0 ? nil : $0 }
    }

    private func serve(
        _ channel: any Channel, on place: Int, _ seat: LoopBalance.Seat, _ endpoint: Endpoint
    ) throws {
        channel.closeFuture.whenComplete { _ in seat.leave() }
        guard let options = channel.syncOptions else { throw ChannelError.operationUnsupported }
        if case .tcp = endpoint { try options.setOption(.tcpOption(.tcp_nodelay), value: 1) }
        try options.setOption(.socketOption(.so_keepalive), value: 1)
        // What one connection may bring in a turn of the loop, before all others that have sent something have theirs.
        try options.setOption(.maxMessagesPerRead, value: 1)
        try options.setOption(
            .recvAllocator,
            value: AdaptiveRecvByteBufferAllocator(
                minimum: 2_048, initial: Self.bytesPerTurn, maximum: Self.bytesPerTurn))
        let connection = ClientConnection(kind: kind, server: lanes[place].lane.value.server)
        try channel.pipeline.syncOperations.addHandler(connection)
    }

    /// The socket of a service that is gone is replaced; that of one that lives is not.
    private static func checkUnused(_ path: String, _ group: MultiThreadedEventLoopGroup) async throws {
        let other = try? await ClientBootstrap(group: group).connect(unixDomainSocketPath: path).get()
        guard let other else { return }
        try? await other.close()
        throw IOError(errnoCode: EADDRINUSE, reason: "bind")
    }
}

/// A listener's address cannot be had.
public struct ListenError: Error, CustomStringConvertible {
    public var endpoint: Endpoint
    public var why: String

    init(endpoint: Endpoint, _ error: any Error) {
        self.endpoint = endpoint
        why = (error as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? String(describing: error)
    }

    public var description: String { "cannot listen on \(endpoint): \(why)" }
}
