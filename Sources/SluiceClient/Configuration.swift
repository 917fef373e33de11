import SluiceWire

extension SluiceClient {
    /// How a client connects and how long it waits. Every default is stated with its unit.
    public struct Configuration: Sendable {
        /// Where the service listens: its data listener, or its admin listener for admin calls.
        public var endpoint: Endpoint

        /// Other instances of the same service. When a connection ends, cannot be had, or its server goes away, the next
        /// of all endpoints is tried at once, and pauses begin when each has failed. Default: none.
        public var otherEndpoints: [Endpoint] = []

        /// How long a call may take, from being made to its answer, connecting included. Default: 50 ms.
        public var deadline: Duration = .milliseconds(50)

        /// The same for admin calls: inspect, reset, rules, reload, stats. Default: 5 s.
        public var adminDeadline: Duration = .seconds(5)

        /// Kept back for an answer's way home: the server is told what remains of the deadline less this much, so that
        /// what it answers at its deadline, by the rules' `on_redis_failure`, is still in time here. Never more than
        /// half of what remains. Default: 2 ms.
        public var answerMargin: Duration = .milliseconds(2)

        /// How long one attempt to connect may take until the server's HELLO. A silent connection is given up after the
        /// same time. Default: 1 s.
        public var connectTimeout: Duration = .seconds(1)

        /// Between attempts to connect.
        public var backoff = Backoff()

        /// Calls waiting and in flight, beyond which a call fails at once. The server's own limit, told in its HELLO,
        /// makes calls wait. Default: 4,096.
        public var maxInFlight = 4_096

        /// The longest payload of an answer, in bytes; a longer one ends the connection. Default: 8 MiB.
        public var maxAnswerBytes: UInt32 = 8 << 20

        public init(endpoint: Endpoint) {
            self.endpoint = endpoint
        }

        var endpoints: [Endpoint] { [endpoint] + otherEndpoints }
    }

    /// Exponential backoff with jitter. The default is full jitter, so that clients of a restarted server come back
    /// spread out (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
    public struct Backoff: Sendable {
        /// The longest wait after the first failure. Default: 20 ms.
        public var initial: Duration = .milliseconds(20)
        /// No wait is longer. Default: 2 s.
        public var max: Duration = .seconds(2)
        /// The share of a wait that is random, 0 to 1. Default: 1.
        public var jitter: Double = 1

        public init() {}

        /// The wait after a number of failures in a row, counted from 0.
        ///
        /// - Parameter random: uniform in 0 ..< 1.
        func delay(afterFailures failures: Int, random: Double) -> Duration {
            let ceiling = Swift.min(max, initial * (1 << Swift.min(failures, 20)))
            let share = Swift.min(Swift.max(jitter, 0), 1)
            return ceiling * (1 - share + share * random)
        }
    }
}
