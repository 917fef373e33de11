import SluiceWire

/// Which Redis, as whom, and which of its databases.
public struct RedisTarget: Sendable {
    /// How the Redis that takes the writes is found.
    public enum Topology: Hashable, Sendable {
        /// It is this one.
        case single(Endpoint)
        /// It is a node of a cluster. A replica says who takes the writes, and so does a primary of other slots.
        case clusterNode(Endpoint)
        /// Sentinels are asked for it.
        case sentinel(SentinelSet)
        /// Each slot has its own; at least one of these nodes knows which. 1 to 16 of them.
        case cluster([Endpoint])
    }

    /// Sentinels that watch one primary.
    public struct SentinelSet: Hashable, Sendable {
        /// The primary's, in the sentinels' configuration.
        public var name: String
        /// 1 to 16.
        public var endpoints: [Endpoint]
        /// Of the sentinels, which have users of their own. Empty: none.
        public var user: String
        public var password: String

        public init(name: String, endpoints: [Endpoint], user: String = "", password: String = "") {
            self.name = name
            self.endpoints = endpoints
            self.user = user
            self.password = password
        }
    }

    public var topology: Topology
    /// Empty: no AUTH unless there is a password, then as the default user.
    public var user: String
    public var password: String
    /// 0 to 65535.
    public var database: Int
    /// Whether connections, those to sentinels too, are made over TLS.
    public var isSecure = false
    /// How, if they are.
    public var tls: RedisTLS?

    public init(endpoint: Endpoint, user: String = "", password: String = "", database: Int = 0) {
        self.init(topology: .single(endpoint), user: user, password: password, database: database)
    }

    public init(topology: Topology, user: String = "", password: String = "", database: Int = 0) {
        self.topology = topology
        self.user = user
        self.password = password
        self.database = database
    }

    /// One node of the cluster, to be reached in the same way and as the same user.
    public func node(_ endpoint: Endpoint) -> RedisTarget {
        var node = self
        node.topology = .clusterNode(endpoint)
        return node
    }
}

extension RedisTarget: CustomStringConvertible {
    /// The URL without its passwords.
    public var description: String {
        let who = user.isEmpty ? "" : "\(user)@"
        switch topology {
        case .single(.unix(let path)): return "unix://\(who)\(path)" + query(database: database)
        case .single(let endpoint), .clusterNode(let endpoint):
            return "\(isSecure ? "rediss" : "redis")://\(who)\(endpoint)" + (database == 0 ? "" : "/\(database)")
        case .sentinel(let set):
            return "sentinel://\(who)\(hosts(set.endpoints))/\(set.name)" + query(database: database)
        case .cluster(let nodes): return "cluster://\(who)\(hosts(nodes))" + query(database: 0)
        }
    }

    private func hosts(_ endpoints: [Endpoint]) -> String { endpoints.map(\.description).joined(separator: ",") }

    private func query(database: Int) -> String {
        let parts = (database == 0 ? [] : ["db=\(database)"]) + (isSecure ? ["tls=true"] : [])
        return parts.isEmpty ? "" : "?" + parts.joined(separator: "&")
    }
}

extension RedisTarget.SentinelSet: CustomStringConvertible {
    /// Without the password.
    public var description: String { "\(endpoints)/\(name)" }
}
