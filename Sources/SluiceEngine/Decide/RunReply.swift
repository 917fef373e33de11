import SluiceModel

/// Walks the flat reply of the decide script, item by item. See the contract at the head of `lua/decide.lua`.
struct RunReply {
    /// The reply is not the script's.
    struct Malformed: Error {}

    /// From this code on an item is the repeat of an event.
    private static let repeated: Int64 = 1 << 20

    private let reply: Reply
    private var next = 3
    /// Redis time of the run.
    let nowMs: UInt64
    /// Counters whose clock was found set back and corrected.
    let clockSteps: UInt64

    init(_ reply: Reply) throws(Malformed) {
        guard reply.kind == .array, reply.count >= 3 else { throw Malformed() }
        self.reply = reply
        nowMs = UInt64(clamping: reply.integer(at: 1))
        clockSteps = UInt64(clamping: reply.integer(at: 2))
    }

    private mutating func take() throws(Malformed) -> Int64 {
        guard next < reply.count, reply.kind(at: next) == .integer else { throw Malformed() }
        defer { next += 1 }
        return reply.integer(at: next)
    }

    private mutating func takeCount() throws(Malformed) -> UInt64 {
        let number = try take()
        guard number >= 0 else { throw Malformed() }
        return UInt64(number)
    }

    /// What became of an item.
    enum Item {
        case answered
        /// The script could not read a cell of it.
        case unreadable
        /// A key of it lies on another node of the cluster.
        case elsewhere
    }

    /// Reads the next item into `answer`.
    mutating func readItem(
        _ answer: inout Answer,
        uses: ArraySlice<RuleUse>,
        plan: ScriptPlan
    ) throws(Malformed) -> Item {
        let code = try take()
        guard code >= 0 else { return code == -2 ? .elsewhere : .unreadable }
        if code >= Self.repeated {
            guard let verdict = Verdict(rawValue: UInt8(code & 3)) else { throw Malformed() }
            let retryAfter = try take()
            answer.verdict = verdict
            answer.isDuplicate = true
            answer.firstRetryAfterMs = retryAfter < 0 ? nil : UInt64(retryAfter)
            return .answered
        }
        guard let verdict = Verdict(rawValue: UInt8(code & 3)) else { throw Malformed() }
        answer.verdict = verdict
        let trips = Int(code >> 2 & 255)
        let tightest = Int(code >> 10)
        var walk = LimitWalk(from: uses.startIndex)
        if tightest > 0 {
            let remaining = try takeCount()
            let resetMs = try takeCount()
            var place = LimitWalk(from: uses.startIndex)
            guard let (variant, limit) = place.find(tightest - 1, among: uses, plan) else { throw Malformed() }
            answer.tightest = AnswerHeadroom(variant: variant, limit: limit, remaining: remaining, resetMs: resetMs)
        }
        for _ in 0..<trips {
            let place = Int(try takeCount())
            let (ordinal, isBlocked) = (place & 0xFFFF, place > 0xFFFF)
            let used = try takeCount()
            let retryAfter = try take()
            guard let (variant, limit) = walk.find(ordinal, among: uses, plan) else { throw Malformed() }
            answer.trips.append(
                AnswerTrip(
                    variant: variant,
                    limit: limit,
                    used: used,
                    retryAfterMs: retryAfter < 0 ? nil : UInt64(retryAfter),
                    isBlocked: isBlocked
                )
            )
        }
        return .answered
    }

    /// Reads the reply of a run that holds one inspection.
    static func readInspection(_ reply: Reply) -> Result<[InspectedLimit], RedisFailure> {
        do throws(Malformed) {
            var reading = try RunReply(reply)
            let count = try reading.take()
            guard count >= 0 else { return .failure(.unreadable) }
            var limits: [InspectedLimit] = []
            for _ in 0..<count {
                limits.append(
                    InspectedLimit(
                        used: try reading.takeCount(), resetMs: try reading.takeCount(),
                        blockedMs: try reading.takeCount(), blockStep: try reading.takeCount()))
            }
            return .success(limits)
        } catch {
            return .failure(.malformed)
        }
    }
}

/// How full one limit is.
struct InspectedLimit: Sendable {
    var used: UInt64
    /// Until its counter is empty.
    var resetMs: UInt64
    /// How long its tuple is still under its verdict; 0 if it is not blocked.
    var blockedMs: UInt64
    /// Which step of `block_for` that is, from 1; 0 if it is not blocked.
    var blockStep: UInt64
}

/// Finds limits by their number among the judging uses of a request, ascending.
private struct LimitWalk {
    private var position: Int
    private var passed = 0

    /// - Parameter position: of the first use.
    init(from position: Int) {
        self.position = position
    }

    mutating func find(_ ordinal: Int, among uses: ArraySlice<RuleUse>, _ plan: ScriptPlan) -> (
        variant: Int, limit: Int
    )? {
        while position < uses.endIndex {
            let variant = Int(uses[position].variant)
            if uses[position].judges {
                let count = plan.variants[variant].limitCount
                if ordinal < passed { return nil }
                if ordinal < passed + count { return (variant, ordinal - passed) }
                passed += count
            }
            position += 1
        }
        return nil
    }
}
