import Foundation
import SluiceWire

/// Which Redis, as whom, and which of its databases.
public struct RedisTarget: Sendable {
    public var endpoint: Endpoint
    /// Empty: no AUTH unless there is a password, then as the default user.
    public var user: String
    public var password: String
    /// 0 to 65535.
    public var database: Int

    public init(endpoint: Endpoint, user: String = "", password: String = "", database: Int = 0) {
        self.endpoint = endpoint
        self.user = user
        self.password = password
        self.database = database
    }

    /// Reads `redis://[user[:password]@]host[:port][/db]` or `unix://[user[:password]@]/path[?db=N]`. User and
    /// password are percent-decoded; `redis://:secret@host` is a password without a user.
    public init(url text: String) throws(RedisURLError) {
        guard let scheme = text.range(of: "://") else { throw .noScheme }
        let rest = text[scheme.upperBound...]
        self.init(endpoint: .unix(path: ""))
        switch text[..<scheme.lowerBound] {
        case "redis": try readTCP(rest)
        case "unix": try readUnix(rest)
        case "rediss", "sentinel", "cluster": throw .notYet(String(text[..<scheme.lowerBound]))
        default: throw .unknownScheme
        }
    }

    private mutating func readTCP(_ text: Substring) throws(RedisURLError) {
        let slash = text.firstIndex(of: "/") ?? text.endIndex
        let host = try readCredentials(text[..<slash])
        guard !host.isEmpty else { throw .noHost }
        let bracketed = host.hasSuffix("]")
        let spelled = !bracketed && host.contains(":") || host.contains("]:") ? String(host) : "\(host):6379"
        do {
            endpoint = try Endpoint(spelled)
        } catch {
            throw .badEndpoint(error)
        }
        let path = text[slash...].drop { $0 == "/" }
        if !path.isEmpty { database = try Self.readDatabase(path) }
    }

    private mutating func readUnix(_ text: Substring) throws(RedisURLError) {
        var path = text
        if let query = text.firstIndex(of: "?") {
            path = text[..<query]
            let parts = text[text.index(after: query)...].split(separator: "=", maxSplits: 1)
            guard parts.count == 2, parts[0] == "db" else { throw .badQuery }
            database = try Self.readDatabase(parts[1])
        }
        path = try readCredentials(path)
        do {
            endpoint = try Endpoint("unix:\(path)")
        } catch {
            throw .badEndpoint(error)
        }
    }

    private mutating func readCredentials(_ text: Substring) throws(RedisURLError) -> Substring {
        guard let at = text.lastIndex(of: "@") else { return text }
        let parts = text[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let user = parts[0].removingPercentEncoding else { throw .badCredentials }
        self.user = user
        if parts.count == 2 {
            guard let password = parts[1].removingPercentEncoding else { throw .badCredentials }
            self.password = password
        }
        return text[text.index(after: at)...]
    }

    private static func readDatabase(_ text: Substring) throws(RedisURLError) -> Int {
        guard text.utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let number = UInt16(text) else { throw .badDatabase }
        return Int(number)
    }
}

extension RedisTarget: CustomStringConvertible {
    /// The URL without its password.
    public var description: String {
        let who = user.isEmpty ? "" : "\(user)@"
        switch endpoint {
        case .tcp: return "redis://\(who)\(endpoint)" + (database == 0 ? "" : "/\(database)")
        case .unix(let path): return "unix://\(who)\(path)" + (database == 0 ? "" : "?db=\(database)")
        }
    }
}

/// Why a text is not a Redis URL. Never carries the URL: it may hold a password.
public enum RedisURLError: Error, Hashable, Sendable, CustomStringConvertible {
    case noScheme
    case unknownScheme
    case notYet(String)
    case noHost
    case badEndpoint(EndpointError)
    case badCredentials
    case badDatabase
    case badQuery

    public var description: String {
        switch self {
        case .noScheme, .unknownScheme:
            "a Redis URL is redis://[user:password@]host[:port][/db] or unix:///path[?db=N]"
        case .notYet(let scheme): "\(scheme):// is not supported by this version yet; use redis:// or unix://"
        case .noHost: "the Redis URL names no host"
        case .badEndpoint(let error): "in the Redis URL: \(error)"
        case .badCredentials: "the user or password of the Redis URL is not percent-encoded right"
        case .badDatabase: "the database of the Redis URL must be a number from 0 to 65535"
        case .badQuery: "the only query a Redis URL takes is ?db=N"
        }
    }
}
