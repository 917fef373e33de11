import Foundation
import Hummingbird
import Logging
import NIOCore
import SluiceWire

/// What `/readyz` tells beside its status.
struct Readiness: Codable, Sendable {
    var ready: Bool
    var generation: UInt64
    /// `connected` or `disconnected`. Told, not judged: without Redis the service answers by policy.
    var redis: String
    var rules: Int
}

/// HTTP for probes: `/healthz` while the process lives, `/readyz` while it takes requests.
enum HealthServer {
    /// Builds the server; `bound` learns the real port.
    static func application(
        at endpoint: Endpoint,
        group: any EventLoopGroup,
        logger: Logger,
        readiness: @escaping @Sendable () async -> Readiness,
        bound: @escaping @Sendable (Endpoint) -> Void
    ) -> some ApplicationProtocol {
        let router = Router()
        router.get("/healthz") { _, _ in "ok\n" }
        router.get("/readyz") { _, _ in
            let readiness = await readiness()
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            let body = (try? encoder.encode(readiness)) ?? Data()
            return Response(
                status: readiness.ready ? .ok : .serviceUnavailable,
                headers: [.contentType: "application/json"],
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: body + [UInt8(ascii: "\n")]))
            )
        }
        let address: BindAddress =
            switch endpoint {
            case .tcp(let host, let port): .hostname(host, port: port)
            case .unix(let path): .unixDomainSocket(path: path)
            }
        // The service tells its addresses itself; Hummingbird's own line would only repeat it.
        var quiet = logger
        quiet.logLevel = .warning
        return Application(
            router: router,
            configuration: ApplicationConfiguration(address: address, serverName: nil),
            onServerRunning: { channel in bound(endpoint.bound(to: channel.localAddress)) },
            eventLoopGroupProvider: .shared(group),
            logger: quiet
        )
    }
}

extension Endpoint {
    /// The endpoint with the port that a listener on it really has.
    func bound(to address: SocketAddress?) -> Endpoint {
        guard case .tcp(let host, _) = self, let port = address?.port else { return self }
        return .tcp(host: host, port: port)
    }
}
