import NIOCore

/// What a connection has not done for too long. A value without a clock: it is told what happens, and asked now and then.
struct ConnectionWatch {
    /// Why a connection has to go.
    enum Lapse: String, CaseIterable, Sendable {
        /// No preface since it was opened.
        case firstFrame = "first_frame"
        /// A frame was begun and is not whole yet.
        case frame
        /// Answers lie here that its client does not read, for too long or too many.
        case unread
        /// Not a frame, and nothing to answer.
        case idle
        /// It has lived long enough: its client is to spread anew.
        case age

        /// Whether the client is told and may take its time; if not, it has had its time.
        var isPolite: Bool {
            switch self {
            case .firstFrame, .frame, .unread: false
            case .idle, .age: true
            }
        }
    }

    /// What the connection's owner knows at the moment it asks.
    struct Situation {
        var hasPreface: Bool
        /// Was told to go already.
        var isGoingAway: Bool
        /// Requests without an answer.
        var inFlight: Int
        /// Bytes of answers that the kernel has not taken.
        var unsent: Int
    }

    private let openedAt: NIODeadline
    private let endsAt: NIODeadline
    /// When the last bytes of a whole frame came.
    private var tookAt: NIODeadline
    /// When the frame was begun that is not whole yet; distant future: there is none.
    private var begunAt = NIODeadline.distantFuture
    /// Bytes written since the connection was opened, and of these, taken by the kernel at the last look.
    private var written: UInt64 = 0
    private var left: UInt64 = 0
    /// When the last look found that bytes had left, or that there were none.
    private var leftAt: NIODeadline

    /// - Parameter lifetime: until it is told to go; nil: for ever.
    init(openedAt: NIODeadline, lifetime: TimeAmount?) {
        self.openedAt = openedAt
        endsAt = lifetime.map { openedAt + $0 } ?? .distantFuture
        tookAt = openedAt
        leftAt = openedAt
    }

    /// Whether all that was written had left at the last look: there is no need to ask how much has not.
    var hasSentAll: Bool { written == left }

    /// Bytes were read: `taken` of whole frames, and `kept` of one that is not.
    mutating func read(taken: Int, kept: Int, at now: NIODeadline) {
        if taken > 0 { tookAt = now }
        if kept == 0 {
            begunAt = .distantFuture
        } else if taken > 0 || begunAt == .distantFuture {
            begunAt = now
        }
    }

    /// The client is read from again after a pause: a frame that was begun before starts anew.
    mutating func resume(at now: NIODeadline) {
        if begunAt < .distantFuture { begunAt = now }
    }

    mutating func write(_ bytes: Int) { written &+= UInt64(bytes) }

    /// Why the connection has to go now, if it has to.
    mutating func lapse(
        at now: NIODeadline, _ situation: Situation, _ timeouts: ServiceSettings.Timeouts, unreadBytes: Int
    ) -> Lapse? {
        let reached = written &- UInt64(situation.unsent)
        if reached != left || situation.unsent == 0 { leftAt = now }
        left = reached
        guard situation.hasPreface else { return now - openedAt >= timeouts.firstFrame ? .firstFrame : nil }
        if situation.unsent > 0 {
            // Not read from meanwhile, so a frame that was begun is nobody's fault.
            return situation.unsent > unreadBytes || now - leftAt >= timeouts.unread ? .unread : nil
        }
        if begunAt < .distantFuture, now - begunAt >= timeouts.frame { return .frame }
        guard !situation.isGoingAway else { return nil }
        if now >= endsAt { return .age }
        if let idle = timeouts.idle, situation.inFlight == 0, begunAt == .distantFuture, now - tookAt >= idle {
            return .idle
        }
        return nil
    }
}
