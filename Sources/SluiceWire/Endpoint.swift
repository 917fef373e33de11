/// Where a Sluice service listens, written `HOST:PORT` or `unix:PATH`.
public enum Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// A host name, an IPv4 address, or an IPv6 address without brackets; a port of 0 to 65535.
    case tcp(host: String, port: Int)
    /// The path of a Unix socket, at most `longestUnixPath` bytes.
    case unix(path: String)

    /// What `sun_path` holds on Linux, less its terminating zero, in bytes.
    public static let longestUnixPath = 107

    /// Reads `HOST:PORT`, with an IPv6 address in brackets, or `unix:PATH`.
    public init(_ text: String) throws(EndpointError) {
        if text.hasPrefix("unix:") {
            self = try Self.unix(spelled: text.dropFirst(5))
        } else {
            self = try Self.tcp(spelled: text)
        }
    }

    private static func unix(spelled path: Substring) throws(EndpointError) -> Endpoint {
        guard !path.isEmpty else { throw .emptyPath }
        guard !path.utf8.contains(0) else { throw .zeroInPath }
        guard path.utf8.count <= longestUnixPath else { throw .pathTooLong(bytes: path.utf8.count) }
        return .unix(path: String(path))
    }

    private static func tcp(spelled text: String) throws(EndpointError) -> Endpoint {
        guard let colon = text.lastIndex(of: ":") else { throw .noPort }
        var host = text[..<colon]
        if host.hasPrefix("[") {
            guard host.hasSuffix("]") else { throw .badHost }
            host = host.dropFirst().dropLast()
            guard host.contains(":") else { throw .badHost }
        } else if host.contains(":") {
            throw .bareIPv6
        }
        guard !host.isEmpty, host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x5B && $0 != 0x5D }) else {
            throw .badHost
        }
        let digits = text[text.index(after: colon)...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
            let port = UInt16(digits)
        else { throw .badPort }
        return .tcp(host: String(host), port: Int(port))
    }

    /// The form that `init(_:)` reads.
    public var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}

/// Why a text is not an endpoint.
public enum EndpointError: Error, Hashable, Sendable, CustomStringConvertible {
    case noPort
    case badPort
    case badHost
    case bareIPv6
    case emptyPath
    case zeroInPath
    case pathTooLong(bytes: Int)

    public var description: String {
        switch self {
        case .noPort: "no port: write HOST:PORT or unix:PATH"
        case .badPort: "the port must be a number from 0 to 65535"
        case .badHost: "the host must be a name, an IPv4 address, or an IPv6 address in brackets"
        case .bareIPv6: "write an IPv6 address in brackets, [::1]:7400"
        case .emptyPath: "no path behind unix:"
        case .zeroInPath: "the path of a Unix socket cannot contain a zero byte"
        case .pathTooLong(let bytes):
            "the path of a Unix socket can be \(Endpoint.longestUnixPath) bytes long, this one is \(bytes)"
        }
    }
}
