import NIOCore
import NIOPosix
import NIOSSL
import SluiceWire

#if canImport(Glibc)
import Glibc
#endif

/// Opens connections to Redis servers and sentinels.
enum RedisSocket {
    /// How long data that was sent may stay without a sign that it arrived before the kernel gives a connection up, ms.
    private static let unacknowledgedMs: Int = 2_000
    /// An idle connection is tried after this, in seconds, then each of the next.
    private static let keepAliveAfter: Int = 10
    private static let keepAliveEvery: Int = 2

    /// TLS was asked for, and nobody has said how.
    struct TLSNotSetUp: Error {}

    /// Opens one, with `handler` behind what the connection needs. Over TLS, what is sent before its handshake is over
    /// goes out afterwards.
    ///
    /// - Parameters:
    ///   - target: how servers are reached.
    ///   - handler: called on the loop.
    static func open(
        _ endpoint: Endpoint,
        of target: RedisTarget,
        on loop: any EventLoop,
        within timeout: TimeAmount,
        _ handler: NIOLoopBound<() -> any ChannelHandler>
    ) -> EventLoopFuture<any Channel> {
        let tls = target.tls
        let isSecure = target.isSecure
        let bootstrap = ClientBootstrap(group: loop).connectTimeout(timeout).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                if isSecure, case .tcp(let host, _) = endpoint {
                    guard let tls else { throw TLSNotSetUp() }
                    try channel.pipeline.syncOperations.addHandler(try tls.handler(host: host))
                }
                try channel.pipeline.syncOperations.addHandler(handler.value())
            }
        }
        switch endpoint {
        case .unix(let path): return bootstrap.connect(unixDomainSocketPath: path)
        case .tcp(let host, let port):
            return
                bootstrap
                .channelOption(.socketOption(.so_keepalive), value: 1)
                .channelOption(.tcpOption(.init(rawValue: TCP_KEEPIDLE)), value: keepAliveAfter)
                .channelOption(.tcpOption(.init(rawValue: TCP_KEEPINTVL)), value: keepAliveEvery)
                .channelOption(.tcpOption(.init(rawValue: TCP_USER_TIMEOUT)), value: unacknowledgedMs)
                .connect(host: host, port: port)
        }
    }

    /// In words without secrets.
    static func describe(_ error: any Error) -> String {
        switch error {
        case let error as IOError: String(describing: error)
        case let error as NIOConnectionError:
            error.connectionErrors.first.map { describe($0.error) }
                ?? (error.dnsAError ?? error.dnsAAAAError).map { _ in "the host \(error.host) has no address" }
                ?? "no address"
        case is ChannelError: "the connection could not be made in time"
        case is TLSNotSetUp: "TLS is not set up"
        case let error as NIOSSLError: "TLS: \(error)"
        case let error as NIOSSLExtraError: "TLS: \(error)"
        case let error as BoringSSLError: "TLS: \(error)"
        default: String(describing: type(of: error))
        }
    }
}
