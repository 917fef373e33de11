/// The life of one Redis connection, as a value: no I/O, no clock.
///
/// idle -> connecting -> handshaking -> ready, and from any of the last three to waiting when the connection fails;
/// waiting -> connecting when the backoff is over; any -> closed, for good.
struct RedisLinkState {
    enum Phase: Equatable {
        /// Not started.
        case idle
        /// The socket is being opened.
        case connecting
        /// The burst is out; this many of its replies have not come.
        case handshaking(outstanding: Int)
        /// Commands are taken.
        case ready
        /// Backing off before the next attempt.
        case waiting
        /// Shut down by its owner.
        case closed
    }

    enum Action: Equatable {
        case none
        case connect
        case sendHandshake
        case announceReady
        /// Attempts failed in a row, for the backoff. `wasReady`: those who wait for replies must be told.
        case wait(attempt: Int, wasReady: Bool)
        /// Close the socket.
        case close
    }

    private(set) var phase = Phase.idle
    /// Failures since the link was last ready.
    private var attempt = 0

    var isReady: Bool { phase == .ready }

    mutating func start() -> Action {
        guard phase == .idle else { return .none }
        phase = .connecting
        return .connect
    }

    /// - Parameter burst: commands of the handshake, at least one.
    mutating func connected(burst: Int) -> Action {
        switch phase {
        case .connecting:
            phase = .handshaking(outstanding: burst)
            return .sendHandshake
        case .closed: return .close
        case .idle, .handshaking, .ready, .waiting: return .none
        }
    }

    mutating func handshakeReply() -> Action {
        guard case .handshaking(let outstanding) = phase else { return .none }
        guard outstanding <= 1 else {
            phase = .handshaking(outstanding: outstanding - 1)
            return .none
        }
        phase = .ready
        attempt = 0
        return .announceReady
    }

    /// The socket could not be opened, was closed, or is of no more use.
    mutating func failed() -> Action {
        switch phase {
        case .connecting, .handshaking, .ready:
            let wasReady = phase == .ready
            phase = .waiting
            attempt += 1
            return .wait(attempt: attempt, wasReady: wasReady)
        case .idle, .waiting, .closed: return .none
        }
    }

    mutating func backoffEnded() -> Action {
        guard phase == .waiting else { return .none }
        phase = .connecting
        return .connect
    }

    mutating func shutDown() -> Action {
        let hadSocket: Bool
        switch phase {
        case .handshaking, .ready: hadSocket = true
        case .idle, .connecting, .waiting, .closed: hadSocket = false
        }
        phase = .closed
        return hadSocket ? .close : .none
    }
}
