/// The life of one Redis connection, as a value: no I/O, no clock.
///
/// ```
/// idle ──start──> finding ──found──> connecting ──connected──> handshaking ──last reply──> ready
///                    ▲                                                                       │ replace
///                    └──backoff ended── waiting <──failed── any of these, and draining <─────┘
/// ```
///
/// From every phase `shutDown` leads to closed, for good.
struct RedisLinkState {
    enum Phase: Equatable {
        /// Not started.
        case idle
        /// Where the primary is, is being found out; at once where the target names it.
        case finding
        /// The socket is being opened.
        case connecting
        /// The burst is out; this many of its replies have not come.
        case handshaking(outstanding: Int)
        /// Commands are taken.
        case ready
        /// The connection leads to the wrong server: nothing is sent any more, what is out is waited for.
        case draining
        /// Backing off before the next attempt.
        case waiting
        /// Shut down by its owner.
        case closed
    }

    enum Action: Equatable {
        case none
        case find
        case connect
        case sendHandshake
        case announceReady
        /// Fail the link as soon as nothing is out.
        case drain
        /// Attempts failed in a row, for the backoff. `wasReady`: those who wait for replies must be told.
        case wait(attempt: Int, wasReady: Bool)
        /// Close the socket.
        case close
    }

    private(set) var phase = Phase.idle
    /// Failures since the link was last ready.
    private var attempt = 0

    var isReady: Bool { phase == .ready }

    var isHandshaking: Bool {
        if case .handshaking = phase { true } else { false }
    }

    mutating func start() -> Action {
        guard phase == .idle else { return .none }
        phase = .finding
        return .find
    }

    mutating func found() -> Action {
        guard phase == .finding else { return .none }
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
        case .idle, .finding, .handshaking, .ready, .draining, .waiting: return .none
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

    /// The server is the wrong one by now.
    mutating func replace() -> Action {
        guard phase == .ready else { return .none }
        phase = .draining
        return .drain
    }

    /// There is no primary to be found, the socket could not be opened, was closed, or is of no more use.
    mutating func failed() -> Action {
        let wasReady: Bool
        switch phase {
        case .finding, .connecting, .handshaking: wasReady = false
        case .ready, .draining: wasReady = true
        case .idle, .waiting, .closed: return .none
        }
        phase = .waiting
        attempt += 1
        return .wait(attempt: attempt, wasReady: wasReady)
    }

    mutating func backoffEnded() -> Action {
        guard phase == .waiting else { return .none }
        phase = .finding
        return .find
    }

    mutating func shutDown() -> Action {
        let hadSocket: Bool
        switch phase {
        case .handshaking, .ready, .draining: hadSocket = true
        case .idle, .finding, .connecting, .waiting, .closed: hadSocket = false
        }
        phase = .closed
        return hadSocket ? .close : .none
    }
}
