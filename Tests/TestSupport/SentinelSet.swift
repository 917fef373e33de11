import Foundation

/// A primary, its replica, and three sentinels that watch them, all on free ports of 127.0.0.1; gone with this object.
///
/// A primary that does not answer for 500 ms is taken for down by each sentinel; two of them have to agree.
public final class SentinelSet: Sendable {
    public enum Failure: Error {
        /// What was waited for did not come about in ten seconds.
        case timeout(String)
    }

    /// What the sentinels call the primary.
    public static let name = "main"
    public static let downAfterMs = 500

    /// Two servers. Which of them is the primary changes; the first is at the start.
    public let servers: [RedisServer]
    public let sentinels: [RedisServer]

    /// `sentinel://127.0.0.1:P1,127.0.0.1:P2,127.0.0.1:P3/main`
    public var url: String {
        "sentinel://" + sentinels.map { "127.0.0.1:\($0.port)" }.joined(separator: ",") + "/\(Self.name)"
    }

    /// Returns once all sentinels know each other and the replica, and the replica follows its primary.
    ///
    /// - Parameter arguments: settings of the two servers, as `redis-server` takes them.
    public init(_ arguments: [String] = []) throws {
        let ports = FreePort.find(5)
        // A replica that has to fetch everything does so at once rather than after the default five seconds.
        let common = ["--repl-diskless-sync-delay", "0"] + arguments
        let primary = try RedisServer(common, port: ports[0])
        let replica = try RedisServer(common + ["--replicaof", "127.0.0.1 \(ports[0])"], port: ports[1])
        servers = [primary, replica]
        try Self.wait("the replica follows") {
            try replica.cli("INFO", "replication").contains("master_link_status:up")
        }
        sentinels = try ports[2...].map { port in
            try RedisServer(
                sentinel: """
                    sentinel monitor \(Self.name) 127.0.0.1 \(ports[0]) 2
                    sentinel down-after-milliseconds \(Self.name) \(Self.downAfterMs)
                    sentinel failover-timeout \(Self.name) 3000
                    """, port: port)
        }
        let sentinels = sentinels
        try Self.wait("the sentinels know each other and the replica") {
            try sentinels.allSatisfy { sentinel in
                let master = try sentinel.cli("SENTINEL", "MASTER", Self.name).split(separator: "\n")
                func value(_ key: Substring) -> Substring? {
                    master.firstIndex(of: key).flatMap { $0 + 1 < master.endIndex ? master[$0 + 1] : nil }
                }
                return value("num-slaves") == "1" && value("num-other-sentinels") == "2" && value("flags") == "master"
            }
        }
    }

    /// The server that the first sentinel that answers takes for the primary.
    public var primary: RedisServer {
        get throws {
            for sentinel in sentinels {
                let address = try sentinel.cli("SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self.name).split(separator: "\n")
                if let server = servers.first(where: { address.count == 2 && address[1] == "\($0.port)" }) {
                    return server
                }
            }
            throw Failure.timeout("a sentinel that answers")
        }
    }

    /// The other server.
    public var replica: RedisServer {
        get throws {
            let primary = try primary
            return servers[0] === primary ? servers[1] : servers[0]
        }
    }

    /// Has the sentinels make the replica the primary, both being well; returns when they have agreed on it.
    public func failover() throws {
        let next = try replica
        let answer = try sentinels[0].cli("SENTINEL", "FAILOVER", Self.name)
        guard answer == "OK" else { throw Failure.timeout("SENTINEL FAILOVER: \(answer)") }
        try waitUntilPrimary(next)
    }

    /// Kills the primary. Returns at once: the sentinels need `downAfterMs` and an election to replace it.
    ///
    /// - Returns: the server that was killed; `restart` brings it back, as a replica before long.
    @discardableResult
    public func killPrimary() throws -> RedisServer {
        let primary = try primary
        primary.stop()
        return primary
    }

    /// Returns when the sentinels that answer name `server` and it is a primary; at most ten seconds.
    public func waitUntilPrimary(_ server: RedisServer) throws {
        try Self.wait("port \(server.port) is the primary") {
            try server.cli("ROLE").hasPrefix("master") && primary === server
        }
    }

    private static func wait(_ what: String, _ isSo: () throws -> Bool) throws {
        for _ in 0..<500 {
            if try isSo() { return }
            usleep(20_000)
        }
        throw Failure.timeout(what)
    }
}
