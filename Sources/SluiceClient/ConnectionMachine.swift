import NIOCore
import SluiceWire

/// One connection as the client sees it, without its channel: what may be sent, who waits for what, and what every
/// frame that comes in means.
///
/// Its shell performs the actions that methods return, and asks `expire` when the deadline it named has come.
struct ConnectionMachine<Waiter> {
    private enum State {
        /// The preface was sent and HELLO has not come; nothing else may be sent yet. To `open` by HELLO, to `closed`
        /// by anything else or at `deadline`.
        case greeting(deadline: NIODeadline)
        /// Requests go out. To `draining` by GOAWAY.
        case open
        /// GOAWAY came: nothing new goes out, what is in flight is still waited for. To `closed` with the last of it.
        case draining
        /// Final.
        case closed
    }

    /// Whether the silence of a server is that of a broken connection.
    private enum Probe {
        /// Nothing was missed since something was last received.
        case none
        /// A waiter gave up, a ping was sent, and nothing at all was received since.
        case outstanding(until: NIODeadline)
    }

    private struct Ping {
        var token: UInt64
        var waiter: Waiter
        var sent: NIODeadline
        var deadline: NIODeadline
    }

    /// What to do about one frame.
    enum Action {
        /// The connection can be used.
        case ready
        case answer(Waiter, WireStatus, ByteBuffer)
        case pong(Waiter, sent: NIODeadline)
        /// Send a pong with this payload.
        case reply(ByteBuffer)
        /// Send new calls elsewhere.
        case drain
        case nothing
        /// Close, and fail those who wait with this error.
        case close(SluiceClientError)
    }

    /// What a deadline brought about.
    struct Expiry {
        /// Those whose deadline has come.
        var expired: [Waiter]
        var consequence: Consequence
        /// When to ask again; nil while nobody waits for anything.
        var next: NIODeadline?

        enum Consequence {
            case none
            /// Send a ping with this payload: nothing may be wrong, or everything.
            case probe(token: UInt64)
            case close(SluiceClientError)
        }
    }

    private let streamLimit: Int
    private let probeTimeout: TimeAmount
    private var state: State
    private var probe = Probe.none
    private var streams = StreamTable<Waiter>(capacity: 1)
    private var pings: [Ping] = []
    private var lastToken: UInt64 = 0
    /// Nil until HELLO came.
    private(set) var hello: WireHello?
    /// The longest payload of a request, in bytes.
    private(set) var maxPayload = 0
    /// Whether the server ever answered a request, which tells a good connection from one that a broken server accepts.
    private(set) var hasAnswered = false

    /// - Parameters:
    ///   - streamLimit: requests at once, whatever more the server allows.
    ///   - greetingDeadline: when HELLO must have come.
    ///   - probeTimeout: how long after an unanswered ping the connection is given up.
    init(streamLimit: Int, greetingDeadline: NIODeadline, probeTimeout: TimeAmount) {
        self.streamLimit = streamLimit
        self.probeTimeout = probeTimeout
        self.state = .greeting(deadline: greetingDeadline)
    }

    /// Whether a request can be sent now.
    var hasRoom: Bool {
        switch state {
        case .open: !streams.isFull
        case .greeting, .draining, .closed: false
        }
    }

    /// Whether GOAWAY came.
    var isDraining: Bool {
        switch state {
        case .draining: true
        case .greeting, .open, .closed: false
        }
    }

    /// How many wait for an answer or a pong.
    var waiting: Int { streams.waiting + pings.count }

    /// Whether this connection has nothing left to do.
    var isDrained: Bool { isDraining && waiting == 0 }

    /// Registers a waiter before its request is written; nil if there is no room.
    mutating func register(_ waiter: Waiter, method: WireMethod, deadline: NIODeadline) -> UInt32? {
        guard hasRoom else { return nil }
        return streams.insert(waiter, method: method, deadline: deadline)
    }

    /// Registers a waiter for the pong of the ping to be written, and returns that ping's payload.
    mutating func registerPing(_ waiter: Waiter, sent: NIODeadline, deadline: NIODeadline) -> UInt64? {
        guard hasRoom else { return nil }
        lastToken &+= 1
        pings.append(Ping(token: lastToken, waiter: waiter, sent: sent, deadline: deadline))
        return lastToken
    }

    mutating func receive(_ frame: Frame) -> Action {
        probe = .none
        switch state {
        case .greeting: return greet(frame)
        case .open, .draining: return serve(frame)
        case .closed: return .nothing
        }
    }

    private mutating func greet(_ frame: Frame) -> Action {
        switch frame.header.kind {
        case .hello:
            guard let hello = try? WireHello(payload: frame.payload) else {
                return .close(.malformedAnswer(why: "a HELLO that cannot be decoded"))
            }
            guard hello.version == 1 else {
                return .close(
                    .malformedAnswer(why: "the server speaks version \(hello.version), this client version 1"))
            }
            streams = StreamTable(capacity: min(streamLimit, Int(hello.maxInFlight)))
            self.hello = hello
            maxPayload = Int(hello.maxPayload)
            state = .open
            return .ready
        case .response where frame.header.stream == 0:
            return .close(Self.refusal(frame))
        case .request, .response, .ping, .pong, .goAway:
            return .close(.malformedAnswer(why: "a \(frame.header.kind.name) frame before HELLO"))
        }
    }

    private mutating func serve(_ frame: Frame) -> Action {
        switch frame.header.kind {
        case .response where frame.header.stream == 0:
            return .close(Self.refusal(frame))
        case .response:
            hasAnswered = true
            switch streams.remove(frame.header.stream, method: frame.header.method) {
            case .waiter(let waiter): return .answer(waiter, frame.header.status, frame.payload)
            case .abandoned: return .nothing
            case .mismatch: return .close(.malformedAnswer(why: "an answer to nothing that was asked"))
            }
        case .ping:
            return .reply(frame.payload)
        case .pong:
            let token: UInt64? = frame.payload.getInteger(at: frame.payload.readerIndex)
            guard let index = pings.firstIndex(where: { $0.token == token }) else { return .nothing }
            let ping = pings.remove(at: index)
            return .pong(ping.waiter, sent: ping.sent)
        case .goAway:
            state = .draining
            return .drain
        case .hello:
            return .close(.malformedAnswer(why: "a second HELLO"))
        case .request:
            return .close(.malformedAnswer(why: "a request from the server"))
        }
    }

    /// What the server said, on stream 0, before it closed.
    private static func refusal(_ frame: Frame) -> SluiceClientError {
        let message = (try? WireError(payload: frame.payload))?.message ?? ""
        return .connectionLost(why: message.isEmpty ? "the server refused it: \(frame.header.status.name)" : message)
    }

    /// Gives up on what is overdue.
    mutating func expire(now: NIODeadline) -> Expiry {
        let overduePings = pings.filter { $0.deadline <= now }
        pings.removeAll { $0.deadline <= now }
        let expired = streams.expire(now: now) + overduePings.map(\.waiter)
        let consequence = judgeSilence(now: now, missed: !expired.isEmpty)
        return Expiry(expired: expired, consequence: consequence, next: nextDeadline)
    }

    private mutating func judgeSilence(now: NIODeadline, missed: Bool) -> Expiry.Consequence {
        switch state {
        case .closed:
            return .none
        case .greeting(let deadline):
            return deadline <= now ? .close(.connectionLost(why: "no HELLO from the server in time")) : .none
        case .open, .draining:
            break
        }
        switch probe {
        case .outstanding(let until):
            return until <= now ? .close(.connectionLost(why: "the server has gone silent")) : .none
        case .none where streams.isFull && streams.waiting == 0:
            return .close(.connectionLost(why: "the server answers nothing"))
        case .none where missed:
            probe = .outstanding(until: now + probeTimeout)
            lastToken &+= 1
            return .probe(token: lastToken)
        case .none:
            return .none
        }
    }

    private var nextDeadline: NIODeadline? {
        var deadlines = pings.map(\.deadline)
        if let earliest = streams.earliestDeadline { deadlines.append(earliest) }
        if case .greeting(let deadline) = state { deadlines.append(deadline) }
        if case .outstanding(let until) = probe { deadlines.append(until) }
        return deadlines.min()
    }

    /// Stops waiting for those that match, and returns them; their answers, should they come, are dropped.
    mutating func abandon(where matches: (Waiter) -> Bool) -> [Waiter] {
        let pinging = pings.filter { matches($0.waiter) }.map(\.waiter)
        pings.removeAll { matches($0.waiter) }
        return streams.abandon { waiter, _ in matches(waiter) } + pinging
    }

    /// Ends the connection, and returns all who still wait.
    mutating func close() -> [Waiter] {
        let left = abandon { _ in true }
        state = .closed
        probe = .none
        return left
    }
}
