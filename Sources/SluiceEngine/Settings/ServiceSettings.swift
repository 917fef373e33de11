import Foundation
import NIOCore
import SluiceModel
import SluiceWire

/// What one service is told when it starts.
public struct ServiceSettings: Sendable {
    /// Whose clock windows are measured by.
    public enum Clock: String, CaseIterable, Sendable {
        /// Redis `TIME`, read once a script run: one clock for every instance.
        case redis
        /// Each request's `at_ms`: for replays only.
        case request
    }

    public enum Redis: Sendable {
        /// A private `redis-server` on a Unix socket in the state directory, ended with the service. What it keeps, the
        /// next one finds.
        case embedded(keepsData: Bool)
        case target(RedisTarget)

        /// The same, with its connections made secure as `tls` says, if its URL asks for that.
        ///
        /// - Throws: what is wrong with `tls`, or that there is no use for it.
        func secured(by tls: RedisTLS.Settings) throws(RedisTLS.Mistake) -> Redis {
            if case .target(var target) = self, target.isSecure {
                target.tls = try RedisTLS(tls)
                return .target(target)
            }
            guard tls == RedisTLS.Settings() else { throw .unused }
            return self
        }
    }

    public struct Listeners: Sendable {
        public var data = Endpoint.tcp(host: "127.0.0.1", port: 7400)
        /// Nil: `admin.sock` in the state directory.
        public var admin: Endpoint?
        public var http: Endpoint? = .tcp(host: "127.0.0.1", port: 7401)

        public init() {}
    }

    public struct Deadlines: Sendable {
        /// Of a request whose frame names none; nil: none at all, every request waits for Redis.
        public var standard: TimeAmount? = .milliseconds(10)
        /// A frame's larger wish is cut to this.
        public var longest: TimeAmount = .seconds(1)

        /// Ten deadlines, at least 50 ms: a Redis that owes replies for longer hangs.
        var stallLimit: TimeAmount {
            guard let standard else { return RedisLink.longestStall }
            return max(.milliseconds(50), .nanoseconds(standard.nanoseconds * 10))
        }

        public init() {}
    }

    /// Bounds on what the service holds. Each is met by an answer, never by waiting.
    public struct Bounds: Sendable {
        /// Payload of a request frame, in bytes.
        public var payloadBytes: UInt32 = 65_536
        /// Requests of one connection without an answer.
        public var inFlightPerConnection = 4_096
        /// Requests of one event loop without an answer.
        public var waitingPerLoop = 65_536
        /// Requests in one script run, which holds Redis for all of them; see `RunPace` for the bound in time.
        public var requestsPerRun = 64
        /// Undos of one loop that wait for Redis at once; more are refused.
        public var undosPerLoop = 1_024
        /// Script runs out at once, per event loop.
        public var runsInFlight = 4
        /// Refusals that one event loop remembers and gives without Redis while they hold; 0: none.
        public var refusalsPerLoop = 16_384
        /// Counters that one event loop estimates by itself for rules whose `on_redis_failure` is local.
        public var estimatesPerLoop = 16_384
        /// Connections of the data listener; fewer where the process may not open as many files.
        public var connections = 20_000
        /// Of these, from one IP address; nil: half of them, so that no address shuts out all others. The clients of a
        /// Unix socket have none.
        public var connectionsPerPeer: Int?
        /// Connections of the admin listener.
        public var adminConnections = 64
        /// Answers of one connection that its client has not read, in bytes, beside what the kernel holds.
        public var unreadBytes = 4 << 20
        /// Requests of one event loop without an answer, beyond which no connection may have more than its share of so
        /// many.
        public var fairAbove = 1_024

        public init() {}
    }

    /// How long a client may take, and how long it is kept.
    public struct Timeouts: Sendable {
        /// For the preface, from when the connection was opened.
        public var firstFrame: TimeAmount = .seconds(5)
        /// For the rest of a frame, from its first byte.
        public var frame: TimeAmount = .seconds(5)
        /// Until some of the answers that wait are read.
        public var unread: TimeAmount = .seconds(10)
        /// Without a frame and with nothing in flight; nil: for ever.
        public var idle: TimeAmount? = .seconds(600)
        /// Until a client is told to connect anew, a tenth more or less; nil: never.
        public var connectionAge: TimeAmount? = .seconds(3_600)
        /// For answers and farewells, once the service is told to end.
        public var drain: TimeAmount = .seconds(10)

        public init() {}
    }

    /// What makes the service read the limits again, beside an operator's call.
    public struct Reloads: Sendable {
        public var onHangup = true
        /// Whether a change of the files is noticed.
        public var watch = true
        /// A change that was noticed is taken up at a random moment within this.
        public var spread = Duration.seconds(1)

        public init() {}
    }

    /// How log lines are written.
    public enum LogFormat: String, CaseIterable, Sendable {
        case text
        case json
    }

    public var listeners = Listeners()
    public var redis = Redis.embedded(keepsData: true)
    /// Sockets and the embedded Redis live here.
    public var stateDirectory = ServiceSettings.defaultStateDirectory
    /// A file or a directory; nil: no rules.
    public var limitsPath: String?
    public var reloads = Reloads()
    /// Whether the dashboard shows entity values; if not, they are masked.
    public var showsValues = false
    public var clock = Clock.redis
    public var deadlines = Deadlines()
    public var bounds = Bounds()
    public var timeouts = Timeouts()
    /// Event loops, each with its own Redis connection.
    public var threads = 1
    /// Instances that share this Redis: what each may let through by itself while Redis is away is divided by them.
    public var instances = 1
    /// Event loops of all instances.
    var sharers: UInt64 { UInt64(instances * threads) }
    /// In front of every Redis key.
    public var keyPrefix = "sluice"
    /// Is told when the service can answer and when it ends; nil: nobody asks.
    public var supervisor: SystemdNotifier?

    public init() {}

    /// `$SLUICE_STATE_DIR`, else `$XDG_STATE_HOME/sluice`, else `~/.local/state/sluice`.
    public static var defaultStateDirectory: String {
        let environment = ProcessInfo.processInfo.environment
        if let own = environment["SLUICE_STATE_DIR"], !own.isEmpty { return own }
        if let state = environment["XDG_STATE_HOME"], !state.isEmpty { return "\(state)/sluice" }
        return "\(environment["HOME"] ?? NSHomeDirectory())/.local/state/sluice"
    }

    public var adminEndpoint: Endpoint { listeners.admin ?? .unix(path: "\(stateDirectory)/admin.sock") }
}
