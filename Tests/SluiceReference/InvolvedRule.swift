import SluiceModel

/// A counter as a request finds it and as it leaves it.
struct Reading {
    /// Without what has expired, its pairs moved back if the clock stepped.
    private(set) var counter: Counter
    /// What it is judged at.
    let timeMs: UInt64
    let isStep: Bool
    /// When it was judged: without the request itself.
    let usedBefore: UInt64
    private(set) var isAdvanced = false

    init(_ stored: Counter, atMs now: UInt64) {
        counter = stored
        (timeMs, isStep) = stored.judgingTime(atMs: now)
        if isStep { counter.moveFutureBack(toMs: now) }
        counter.dropExpired(atMs: timeMs)
        usedBefore = counter.used
    }

    /// Counts `weight` as of `ageMs` ago, unless the window no longer reaches it.
    mutating func advance(by weight: UInt64, ageMs: UInt64, for applied: AppliedRule) {
        let largestMax = applied.largestMax(windowMs: counter.windowMs)
        var next = counter
        next.adopt(applied.resolution(windowMs: counter.windowMs))
        guard next.reaches(ageMs: ageMs, before: timeMs) else { return }
        next.add(weight, atMs: timeMs - ageMs)
        if next.tickMs == 1, largestMax <= applied.rule.exactUpTo {
            next.mergeOldest(toAtMost: largestMax + 1)
        }
        counter = next
        isAdvanced = true
    }
}

/// A rule that judges or counts a request.
struct InvolvedRule {
    let applied: AppliedRule
    let judges: Bool
    let counts: Bool
    /// What it is judged with; what it counts is the request's cost.
    let weight: UInt64
    /// By window in ms.
    var readings: [UInt64: Reading]

    /// The limits that the request would exceed, in their order.
    var tripped: [Limit] {
        guard judges else { return [] }
        return applied.limits.filter { limit in
            guard let used = readings[limit.windowMs]?.usedBefore else { return false }
            return limit.max == 0 || used > limit.max || weight > limit.max - used
        }
    }

    /// Whether the rule counts a request that got `verdict` from all enforced rules together.
    func advances(in mode: Mode, verdict: Verdict) -> Bool {
        guard counts else { return false }
        switch mode {
        case .peek: return false
        case .record: return true
        case .check:
            if applied.rule.counting == .attempts { return true }
            // A shadow rule would have denied this itself if it were enforced.
            let denies = applied.rule.shadow && tripped.contains { $0.verdict == .deny }
            return verdict != .deny && !denies
        }
    }

    mutating func advance(_ request: ReferenceModel.Request) {
        let ageMs = request.mode == .record ? request.ageMs : 0
        for windowMs in applied.windowsMs {
            readings[windowMs]?.advance(by: max(request.cost, 1), ageMs: ageMs, for: applied)
        }
    }

    func trips(from now: UInt64) -> [ReferenceModel.Trip] {
        tripped.compactMap { limit in
            guard let reading = readings[limit.windowMs] else { return nil }
            return ReferenceModel.Trip(
                rule: applied.rule.name,
                windowMs: limit.windowMs,
                max: limit.max,
                used: reading.usedBefore,
                retryAfterMs: retryAfterMs(limit, reading.counter, from: now),
                verdict: limit.verdict,
                shadow: applied.rule.shadow
            )
        }
    }

    private func retryAfterMs(_ limit: Limit, _ counter: Counter, from now: UInt64) -> UInt64? {
        guard limit.max > 0, weight <= limit.max else { return nil }
        return counter.timeMs(whenAtMost: limit.max - weight).map { $0 - now }
    }

    /// What each limit still lets through; none of a shadow rule.
    func headrooms(from now: UInt64) -> [ReferenceModel.Headroom] {
        guard judges, !applied.rule.shadow else { return [] }
        return applied.limits.compactMap { limit in
            guard let counter = readings[limit.windowMs]?.counter else { return nil }
            return ReferenceModel.Headroom(
                rule: applied.rule.name,
                windowMs: limit.windowMs,
                max: limit.max,
                remaining: limit.max - min(limit.max, counter.used),
                resetMs: counter.resetMs(from: now)
            )
        }
    }
}
