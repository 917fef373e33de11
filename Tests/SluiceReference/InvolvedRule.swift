import SluiceModel

/// A rule that judges or counts a request.
struct InvolvedRule {
    /// A limit that goes into the trips.
    struct Hit {
        let limit: Limit
        /// Without the request itself.
        let used: UInt64
        /// Whether the request would exceed it.
        let trips: Bool
        /// Whether its tuple was under its block before the request.
        let isBlocked: Bool
    }

    let applied: AppliedRule
    let judges: Bool
    /// What the request brings to its counters; nil where it does not count the action.
    let contribution: Contribution?
    /// By window in ms.
    private(set) var readings: [UInt64: Reading]
    /// As the request finds the counters, in the order of the limits; none if the rule does not judge it.
    let hits: [Hit]

    init(
        _ applied: AppliedRule, judges: Bool, contribution: Contribution?, readings: [UInt64: Reading], atMs now: UInt64
    ) {
        self.applied = applied
        self.judges = judges
        self.contribution = contribution
        self.readings = readings
        guard judges else {
            hits = []
            return
        }
        hits = applied.limits.compactMap { limit in
            guard let reading = readings[limit.windowMs] else { return nil }
            let trips = reading.cell.tally.exceeds(limit.max, with: contribution)
            let isBlocked = reading.block(of: limit, atMs: now) != nil
            guard trips || isBlocked else { return nil }
            return Hit(limit: limit, used: reading.cell.tally.used, trips: trips, isBlocked: isBlocked)
        }
    }

    /// Whether the rule counts a request that got `verdict`.
    func advances(in mode: Mode, verdict: Verdict, isAllowListed: Bool) -> Bool {
        guard contribution != nil else { return false }
        switch mode {
        case .peek: return false
        case .record: return true
        case .check:
            if isAllowListed || applied.rule.counting == .attempts { return true }
            // A shadow rule would have denied this itself if it were enforced.
            let denies = applied.rule.shadow && hits.contains { $0.limit.verdict == .deny }
            return verdict != .deny && !denies
        }
    }

    /// All its limits together.
    mutating func advance(ageMs: UInt64) {
        guard let contribution else { return }
        for windowMs in applied.windowsMs {
            readings[windowMs]?.advance(by: contribution, ageMs: ageMs, for: applied, windowMs: windowMs)
        }
    }

    /// Starts the blocks of its limits that trip. A shadow rule starts none, and what is blocked stays as it is.
    mutating func startBlocks(atMs now: UInt64) {
        guard !applied.rule.shadow else { return }
        for hit in hits where hit.trips && !hit.isBlocked && !hit.limit.blockForMs.isEmpty {
            readings[hit.limit.windowMs]?.startBlock(of: hit.limit, atMs: now)
        }
    }

    func trips(from now: UInt64) -> [ReferenceModel.Trip] {
        hits.compactMap { hit in
            guard let reading = readings[hit.limit.windowMs] else { return nil }
            return ReferenceModel.Trip(
                rule: applied.rule.name,
                windowMs: hit.limit.windowMs,
                max: hit.limit.max,
                used: hit.used,
                retryAfterMs: retryAfterMs(hit.limit, reading, from: now),
                verdict: hit.limit.verdict,
                shadow: applied.rule.shadow,
                reason: hit.isBlocked ? .blocked : .limit
            )
        }
    }

    /// The later of the limit and the block, as the request leaves them; nil if it can never pass the limit.
    private func retryAfterMs(_ limit: Limit, _ reading: Reading, from now: UInt64) -> UInt64? {
        let passes = reading.cell.tally.timeMs(whenPassing: limit.max, with: contribution, from: now)
        let blockLeftMs = reading.block(of: limit, atMs: now)?.leftMs(from: now) ?? 0
        return passes.map { max($0 - now, blockLeftMs) }
    }

    /// What each limit still lets through; none of a shadow rule.
    func headrooms(from now: UInt64) -> [ReferenceModel.Headroom] {
        guard judges, !applied.rule.shadow else { return [] }
        return applied.limits.compactMap { limit in
            guard let tally = readings[limit.windowMs]?.cell.tally else { return nil }
            return ReferenceModel.Headroom(
                rule: applied.rule.name,
                windowMs: limit.windowMs,
                max: limit.max,
                remaining: limit.max - min(limit.max, tally.used),
                resetMs: tally.resetMs(from: now)
            )
        }
    }
}
