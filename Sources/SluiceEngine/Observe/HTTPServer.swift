import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import SluiceWire

/// HTTP for probes, scrapes and people: `/healthz`, `/readyz`, `/metrics`, `/api/status` and the dashboard at `/`.
///
/// It reads and never changes anything, and runs on an event loop of its own.
enum HTTPServer {
    /// What the pages are made from.
    struct Pages: Sendable {
        var readiness: @Sendable () async -> Readiness
        /// Prometheus's text format.
        var metrics: @Sendable () async -> String
        /// JSON.
        var status: @Sendable () async -> Data
    }

    /// Connections beyond these wait until one of them ends.
    private static let mostConnections = 256

    /// The dashboard loads nothing from anywhere, and nothing may frame it.
    private static let contentSecurityPolicy =
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
        + "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    /// Builds the server; `bound` learns the real port.
    static func application(
        at endpoint: Endpoint,
        group: any EventLoopGroup,
        logger: Logger,
        pages: Pages,
        bound: @escaping @Sendable (Endpoint) -> Void
    ) -> some ApplicationProtocol {
        let router = Router(options: .autoGenerateHeadEndpoints)
        router.add(middleware: KnownHostMiddleware(endpoint))
        router.get("/healthz") { _, _ in response("ok\n", "text/plain; charset=utf-8") }
        router.get("/readyz") { _, _ in
            let readiness = await pages.readiness()
            let body = (try? JSONEncoder.pages.encode(readiness)) ?? Data()
            return response(
                body + [UInt8(ascii: "\n")], "application/json", readiness.ready ? .ok : .serviceUnavailable)
        }
        router.get("/metrics") { _, _ in
            response(await pages.metrics(), "text/plain; version=0.0.4; charset=utf-8")
        }
        router.get("/api/status") { _, _ in response(await pages.status(), "application/json") }
        router.get("/") { _, _ in
            var page = response(PackageResources.dashboard_html, "text/html; charset=utf-8")
            page.headers[.contentSecurityPolicy] = contentSecurityPolicy
            return page
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
            configuration: ApplicationConfiguration(
                address: address,
                serverName: nil,
                availableConnectionsDelegate: MaximumAvailableConnections(mostConnections)
            ),
            onServerRunning: { channel in bound(endpoint.bound(to: channel.localAddress)) },
            eventLoopGroupProvider: .shared(group),
            logger: quiet
        )
    }

    private static func response(_ text: String, _ type: String) -> Response { response(text.utf8, type) }

    private static func response(
        _ body: some Collection<UInt8>, _ type: String, _ status: HTTPResponse.Status = .ok
    ) -> Response {
        Response(
            status: status,
            headers: [.contentType: type, .cacheControl: "no-store", .xContentTypeOptions: "nosniff"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: body))
        )
    }
}

/// On loopback, only requests that name this machine are answered: a page of some other site, whose name was made to
/// lead here, does not get to read the dashboard (DNS rebinding).
private struct KnownHostMiddleware<Context: RequestContext>: RouterMiddleware {
    private let isLoopback: Bool

    init(_ endpoint: Endpoint) {
        switch endpoint {
        case .tcp(let host, _): isLoopback = host.hasPrefix("127.") || host == "::1" || host == "localhost"
        case .unix: isLoopback = false
        }
    }

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        guard !isLoopback || request.head.authority.map(Self.isThisMachine) ?? true else {
            throw HTTPError(.misdirectedRequest, message: "this listener is for this machine alone")
        }
        return try await next(request, context)
    }

    private static func isThisMachine(_ authority: String) -> Bool {
        let host =
            authority.hasPrefix("[")
            ? String(authority.dropFirst().prefix { $0 != "]" }) : String(authority.prefix { $0 != ":" })
        return host == "localhost" || host == "::1"
            || host.hasPrefix("127.") && host.allSatisfy { $0.isNumber || $0 == "." }
    }
}

extension JSONEncoder {
    /// Keys in snake case and sorted, as every page has them.
    static var pages: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }
}

extension HTTPField.Name {
    fileprivate static var xContentTypeOptions: Self { Self("X-Content-Type-Options")! }
}

extension Endpoint {
    /// The endpoint with the port that a listener on it really has.
    func bound(to address: SocketAddress?) -> Endpoint {
        guard case .tcp(let host, _) = self, let port = address?.port else { return self }
        return .tcp(host: host, port: port)
    }
}
