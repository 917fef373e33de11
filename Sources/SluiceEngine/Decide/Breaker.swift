import NIOCore

/// Whether a Redis that is connected is asked: one that is late again and again, or refuses all work, is given a rest, so
/// that callers are answered at once and Redis can recover. A circuit breaker (Nygard, "Release It!", 2007) of the runs
/// to one node.
///
/// closed -> open when runs come too late for all their callers, several in a row and for some time, or when Redis
/// refuses as a whole; open -> probing when its time is over: one request is let through, whose answer closes it or
/// opens it for longer. A value: no clock of its own.
struct Breaker {
    enum State: Equatable {
        case closed
        case open(until: NIODeadline)
        /// One request is on its way. If nothing is heard of it by then, another one goes.
        case probing(until: NIODeadline)
    }

    enum Change: Equatable {
        case opened
        case closed
    }

    /// Late runs in a row that open it, and how long they must have lasted: a stall of some ms is no reason.
    static let lateRuns = 8
    static let lateFor = TimeAmount.milliseconds(100)
    /// How long it stays open first, and at most.
    static let shortest = TimeAmount.milliseconds(100)
    static let longest = TimeAmount.seconds(1)

    private(set) var state = State.closed
    private var late = 0
    private var lateSince = NIODeadline.distantPast
    private var pause = Self.shortest

    var isClosed: Bool { state == .closed }

    /// Whether a request may go to Redis. Where it is not closed, the one that may is the probe.
    @inline(__always)
    mutating func admits(at now: NIODeadline) -> Bool {
        if case .closed = state { return true }
        return admitsProbe(at: now)
    }

    private mutating func admitsProbe(at now: NIODeadline) -> Bool {
        switch state {
        case .closed: return true
        case .open(let until), .probing(let until):
            guard now >= until else { return false }
            state = .probing(until: now + Self.longest)
            return true
        }
    }

    /// A run was answered.
    ///
    /// - Parameter inTime: whether anybody still waited for it.
    mutating func answered(inTime: Bool, at now: NIODeadline) -> Change? {
        guard inTime else { return wasLate(at: now) }
        late = 0
        guard state != .closed else { return nil }
        reset()
        return .closed
    }

    private mutating func wasLate(at now: NIODeadline) -> Change? {
        switch state {
        case .closed:
            if late == 0 { lateSince = now }
            late += 1
            guard late >= Self.lateRuns, now - lateSince >= Self.lateFor else { return nil }
            state = .open(until: now + pause)
            return .opened
        case .probing:
            pause = min(pause * 2, Self.longest)
            state = .open(until: now + pause)
            return nil
        case .open: return nil
        }
    }

    /// Redis refused a run as it would refuse all others: it is asked again once a second.
    mutating func refused(at now: NIODeadline) -> Change? {
        let wasClosed = isClosed
        state = .open(until: now + Self.longest)
        return wasClosed ? .opened : nil
    }

    /// There is a new connection, and it has answered.
    mutating func reset() {
        (state, late, pause) = (.closed, 0, Self.shortest)
    }
}
