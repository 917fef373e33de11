import SluiceModel

/// What a request brings to the counters of a rule that counts it.
enum Contribution: Hashable, Sendable {
    /// Its cost or its amount.
    case weight(UInt64)
    /// Its value of the dimension whose values are told apart.
    case member([UInt8])
}

/// What one rule has counted for one tuple in one window, with either kind of measure. What it is asked about a
/// request's contribution fits its kind; a request that the rule does not count has none, and weighs 1.
enum Tally: Hashable, Sendable {
    case weights(Counter)
    case members(MemberSet)

    init(_ measure: Measure, windowMs: UInt64) {
        switch measure {
        case .count, .sum: self = .weights(Counter(windowMs: windowMs))
        case .distinct: self = .members(MemberSet(windowMs: windowMs))
        }
    }

    var used: UInt64 {
        switch self {
        case .weights(let counter): counter.used
        case .members(let set): set.used
        }
    }

    var isEmpty: Bool {
        switch self {
        case .weights(let counter): counter.pairs.isEmpty
        case .members(let set): set.members.isEmpty
        }
    }

    // MARK: Time

    func judgingTime(atMs now: UInt64) -> (timeMs: UInt64, isStep: Bool) {
        switch self {
        case .weights(let counter): counter.judgingTime(atMs: now)
        case .members(let set): set.judgingTime(atMs: now)
        }
    }

    mutating func moveFutureBack(toMs now: UInt64) {
        change {
            $0.moveFutureBack(toMs: now)
        } or: {
            $0.moveFutureBack(toMs: now)
        }
    }

    mutating func dropExpired(atMs timeMs: UInt64) {
        change {
            $0.dropExpired(atMs: timeMs)
        } or: {
            $0.dropExpired(atMs: timeMs)
        }
    }

    /// Drops what was counted at `timeMs` or later.
    mutating func drop(fromMs timeMs: UInt64) {
        change {
            $0.drop(fromMs: timeMs)
        } or: {
            $0.drop(fromMs: timeMs)
        }
    }

    func resetMs(from now: UInt64) -> UInt64 {
        switch self {
        case .weights(let counter): counter.resetMs(from: now)
        case .members(let set): set.resetMs(from: now)
        }
    }

    // MARK: Judging

    func weight(of contribution: Contribution?) -> UInt64 {
        switch (self, contribution) {
        case (_, nil): 1
        case (_, .weight(let weight)): weight
        case (.members(let set), .member(let value)): set.weight(of: value)
        case (.weights, .member): preconditionFailure("a counter was asked about a member")
        }
    }

    /// Whether a limit of `max` trips.
    func exceeds(_ max: UInt64, with contribution: Contribution?) -> Bool {
        max == 0 || used > max || weight(of: contribution) > max - used
    }

    /// When the same request passes a limit of `max` if nothing else comes: now, if it does now; nil if it never does.
    func timeMs(whenPassing max: UInt64, with contribution: Contribution?, from now: UInt64) -> UInt64? {
        let weight = weight(of: contribution)
        guard max > 0, weight <= max else { return nil }
        switch (self, contribution) {
        case (.weights(let counter), _): return counter.timeMs(whenAtMost: max - weight) ?? now
        case (.members(let set), .member(let value)): return set.timeMs(whenWithin: max, with: value) ?? now
        case (.members(let set), _): return set.timeMs(whenWithin: max, with: nil) ?? now
        }
    }

    // MARK: Changing

    /// Takes back what a request put here at `timeMs`.
    mutating func takeBack(_ contribution: Contribution, countedAtMs timeMs: UInt64, atMs now: UInt64) {
        change { counter in
            guard case .weight(let weight) = contribution else { return }
            counter.takeBack(weight, countedAtMs: timeMs, atMs: now)
        } or: { set in
            guard case .member(let value) = contribution else { return }
            set.takeBack(value, countedAtMs: timeMs)
        }
    }

    private mutating func change(_ counter: (inout Counter) -> Void, or set: (inout MemberSet) -> Void) {
        switch self {
        case .weights(var changed):
            counter(&changed)
            self = .weights(changed)
        case .members(var changed):
            set(&changed)
            self = .members(changed)
        }
    }
}
