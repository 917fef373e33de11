import Foundation
import SluiceWire

extension RedisTarget {
    private static let mostHosts = 16
    private static let redisPort = 6_379
    private static let sentinelPort = 26_379

    /// Reads one of
    ///
    /// - `redis://[user[:password]@]host[:port][/db]`, and `rediss://` for the same over TLS
    /// - `unix://[user[:password]@]/path[?db=N]`
    /// - `sentinel://[user[:password]@]host[:port],.../name[?db=N&tls=true&sentinel_user=U&sentinel_password=P]`
    /// - `cluster://[user[:password]@]host[:port],...[?tls=true]`
    ///
    /// Users, passwords and the sentinels' name are percent-decoded; `redis://:secret@host` is a password without a user.
    public init(url text: String) throws(RedisURLError) {
        guard let scheme = text.range(of: "://") else { throw .noScheme }
        let rest = text[scheme.upperBound...]
        self.init(endpoint: .unix(path: ""))
        switch text[..<scheme.lowerBound] {
        case "redis": try readTCP(rest)
        case "rediss":
            try readTCP(rest)
            isSecure = true
        case "unix": try readUnix(rest)
        case "sentinel": try readSentinel(rest)
        case "cluster": try readCluster(rest)
        default: throw .unknownScheme
        }
    }

    private mutating func readTCP(_ text: Substring) throws(RedisURLError) {
        let slash = text.firstIndex(of: "/") ?? text.endIndex
        topology = .single(try Self.endpoint(try readCredentials(text[..<slash]), port: Self.redisPort))
        let path = text[slash...].drop { $0 == "/" }
        if !path.isEmpty { database = try Self.readDatabase(path) }
    }

    private mutating func readUnix(_ text: Substring) throws(RedisURLError) {
        let (rest, query) = try Self.cutQuery(text)
        for (key, value) in query {
            guard key == "db" else { throw .badQuery }
            database = try Self.readDatabase(value)
        }
        let path = try readCredentials(rest)
        do {
            topology = .single(try Endpoint("unix:\(path)"))
        } catch {
            throw .badEndpoint(error)
        }
    }

    private mutating func readSentinel(_ text: Substring) throws(RedisURLError) {
        let (rest, query) = try Self.cutQuery(text)
        guard let slash = rest.lastIndex(of: "/"), !rest[slash...].contains("@") else { throw .noName }
        guard let name = rest[rest.index(after: slash)...].removingPercentEncoding, !name.isEmpty else { throw .noName }
        var set = SentinelSet(
            name: name, endpoints: try Self.endpoints(try readCredentials(rest[..<slash]), port: Self.sentinelPort))
        for (key, value) in query {
            switch key {
            case "db": database = try Self.readDatabase(value)
            case "tls": isSecure = try Self.readFlag(value)
            case "sentinel_user": set.user = try Self.decode(value)
            case "sentinel_password": set.password = try Self.decode(value)
            default: throw .badQuery
            }
        }
        topology = .sentinel(set)
    }

    private mutating func readCluster(_ text: Substring) throws(RedisURLError) {
        let (rest, query) = try Self.cutQuery(text)
        for (key, value) in query {
            guard key == "tls" else { throw .badQuery }
            isSecure = try Self.readFlag(value)
        }
        let hosts = try readCredentials(rest)
        topology = .cluster(try Self.endpoints(hosts.last == "/" ? hosts.dropLast() : hosts, port: Self.redisPort))
    }

    // MARK: - Parts

    private mutating func readCredentials(_ text: Substring) throws(RedisURLError) -> Substring {
        guard let at = text.lastIndex(of: "@") else { return text }
        let parts = text[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        user = try Self.decode(parts[0])
        if parts.count == 2 { password = try Self.decode(parts[1]) }
        return text[text.index(after: at)...]
    }

    private static func decode(_ text: Substring) throws(RedisURLError) -> String {
        guard let plain = text.removingPercentEncoding else { throw .badCredentials }
        return plain
    }

    private static func endpoints(_ text: Substring, port: Int) throws(RedisURLError) -> [Endpoint] {
        let hosts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard hosts.count <= mostHosts else { throw .tooManyHosts }
        var endpoints: [Endpoint] = []
        for host in hosts { endpoints.append(try endpoint(host, port: port)) }
        return endpoints
    }

    private static func endpoint(_ host: Substring, port: Int) throws(RedisURLError) -> Endpoint {
        guard !host.isEmpty else { throw .noHost }
        guard !host.contains("/") else { throw .badEndpoint(.badHost) }
        let hasPort = !host.hasSuffix("]") && host.contains(":") || host.contains("]:")
        do {
            return try Endpoint(hasPort ? String(host) : "\(host):\(port)")
        } catch {
            throw .badEndpoint(error)
        }
    }

    private static func readDatabase(_ text: Substring) throws(RedisURLError) -> Int {
        guard text.utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let number = UInt16(text) else { throw .badDatabase }
        return Int(number)
    }

    private static func readFlag(_ text: Substring) throws(RedisURLError) -> Bool {
        guard let flag = Bool(String(text)) else { throw .badQuery }
        return flag
    }

    /// What stands before the `?`, and the pairs behind it.
    private static func cutQuery(_ text: Substring) throws(RedisURLError) -> (Substring, [(Substring, Substring)]) {
        guard let mark = text.lastIndex(of: "?") else { return (text, []) }
        var pairs: [(Substring, Substring)] = []
        for part in text[text.index(after: mark)...].split(separator: "&", omittingEmptySubsequences: false) {
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard sides.count == 2, !sides[1].isEmpty else { throw .badQuery }
            pairs.append((sides[0], sides[1]))
        }
        return (text[..<mark], pairs)
    }
}

/// Why a text is not a Redis URL. Never carries the URL: it may hold a password.
public enum RedisURLError: Error, Hashable, Sendable, CustomStringConvertible {
    case noScheme
    case unknownScheme
    case noHost
    case tooManyHosts
    case noName
    case badEndpoint(EndpointError)
    case badCredentials
    case badDatabase
    case badQuery

    public var description: String {
        switch self {
        case .noScheme, .unknownScheme:
            "a Redis URL is redis://[user:password@]host[:port][/db] (rediss:// over TLS), unix:///path[?db=N], "
                + "sentinel://host[:port],.../name or cluster://host[:port],..."
        case .noHost: "the Redis URL names no host, or one of its hosts is empty"
        case .tooManyHosts: "a Redis URL names at most 16 hosts"
        case .noName: "a URL of sentinels ends with the name of the primary: sentinel://host,host,host/NAME"
        case .badEndpoint(let error): "in the Redis URL: \(error)"
        case .badCredentials: "a user or password of the Redis URL is not percent-encoded right"
        case .badDatabase: "the database of the Redis URL must be a number from 0 to 65535"
        case .badQuery:
            "behind ? a Redis URL takes db=N (unix, sentinel), tls=true (sentinel, cluster), sentinel_user=USER and "
                + "sentinel_password=PASSWORD (sentinel), joined by &"
        }
    }
}
