import SluiceModel

extension ReferenceModel {
    /// Judges and counts one request, whatever is remembered of its event.
    ///
    /// - Returns: the decision, and what each counter took in.
    mutating func decideAnew(
        _ request: Request, atMs now: UInt64
    ) -> (decision: Decision, counted: [EventMemory.Counted]) {
        var involved = involvedRules(in: request, atMs: now)

        let worst = involved.filter { !$0.applied.rule.shadow }.flatMap(\.hits).map(\.limit.verdict).max() ?? .allow
        let listing = request.mode == .record ? nil : request.listing
        let verdict = listing?.verdict(over: worst) ?? worst

        let isAllowListed = listing?.kind == .allow
        let ageMs = request.mode == .record ? request.ageMs : 0
        for index in involved.indices {
            if involved[index].advances(in: request.mode, verdict: verdict, isAllowListed: isAllowListed) {
                involved[index].advance(ageMs: ageMs)
            }
            if request.mode == .check, !isAllowListed { involved[index].startBlocks(atMs: now) }
        }
        let counted = involved.flatMap { keep($0, after: request.mode) }
        sweep()

        let listed = listing?.trip(over: worst).map { [$0] } ?? []
        let trips = listed + involved.flatMap { $0.trips(from: now) }
        let decision = Decision(
            verdict: verdict,
            trips: trips,
            retryAfterMs: Self.retryAfterMs(verdict, trips),
            tightest: Self.tightest(of: involved, from: now)
        )
        return (decision, counted)
    }

    /// Whether any rule judges or counts the request.
    public func meetsARule(_ request: Request) -> Bool { !involvedRules(in: request, atMs: 0).isEmpty }

    /// Every rule that judges or counts the request, with its counters as they are read now.
    private func involvedRules(in request: Request, atMs now: UInt64) -> [InvolvedRule] {
        let entities = Self.valuesByDimension(request.entities)
        return rules.compactMap { rule in
            let judges = request.mode != .record && rule.check.contains { $0.match(request.action) != nil }
            let counts = rule.count.contains { $0.match(request.action) != nil }
            guard judges || counts, let applied = AppliedRule(rule, to: entities) else { return nil }

            let contribution = counts ? Contribution(request, rule.measure, entities) : nil
            // Without the value that it tells apart there is nothing to count, and nothing is judged.
            if counts, contribution == nil { return nil }
            return InvolvedRule(
                applied,
                judges: judges,
                contribution: contribution,
                readings: readings(of: applied, judging: judges, atMs: now),
                atMs: now
            )
        }
    }

    /// The rule's cells by window in ms.
    ///
    /// - Parameter judging: whether anybody asks about its blocks.
    func readings(of applied: AppliedRule, judging: Bool, atMs now: UInt64) -> [UInt64: Reading] {
        var readings: [UInt64: Reading] = [:]
        for windowMs in applied.windowsMs {
            let cell = stored(applied.cellKey(windowMs: windowMs), applied, atMs: now)
            let blocking = judging ? applied.blockingVerdicts(windowMs: windowMs) : []
            readings[windowMs] = Reading(cell, blocking: blocking, atMs: now)
        }
        return readings
    }

    /// Writes what the request did to the rule's cells.
    ///
    /// - Returns: what it added to them.
    private mutating func keep(_ involved: InvolvedRule, after mode: Mode) -> [EventMemory.Counted] {
        involved.readings.compactMap { windowMs, reading in
            let writes =
                switch mode {
                case .check: reading.isAdvanced || reading.isBlocked || reading.isStep
                case .peek: false
                case .record: reading.isAdvanced
                }
            guard writes else { return nil }
            let key = involved.applied.cellKey(windowMs: windowMs)
            write(reading.cell, key)
            if reading.isStep { clockSteps += 1 }

            guard let counted = reading.counted, let life = cells[key]?.life else { return nil }
            return .init(key: key, life: life, contribution: counted.contribution, timeMs: counted.timeMs)
        }
    }

    /// The longest wait among the enforced trips that gave the verdict; none if one of them can never pass.
    private static func retryAfterMs(_ verdict: Verdict, _ trips: [Trip]) -> UInt64? {
        guard verdict != .allow else { return nil }
        let decisive = trips.filter { !$0.shadow && $0.verdict == verdict }
        let waits = decisive.compactMap(\.retryAfterMs)
        return waits.count == decisive.count ? waits.max() : nil
    }

    private static func tightest(of involved: [InvolvedRule], from now: UInt64) -> Headroom? {
        var tightest: Headroom?
        for headroom in involved.flatMap({ $0.headrooms(from: now) }) {
            if let least = tightest, !headroom.isTighter(than: least) { continue }
            tightest = headroom
        }
        return tightest
    }
}

extension Contribution {
    /// Nil where the dimension whose values are told apart is missing.
    fileprivate init?(_ request: ReferenceModel.Request, _ measure: Measure, _ entities: [String: [UInt8]]) {
        switch measure {
        case .count:
            self = .weight(max(request.cost, 1))
        case .sum:
            self = .weight(request.amount)
        case .distinct(let dimension):
            guard let value = entities[dimension] else { return nil }
            self = .member(value)
        }
    }
}

extension ReferenceModel.Listing {
    /// The verdict of a request whose limits alone would have given it `worst`.
    fileprivate func verdict(over worst: Verdict) -> Verdict {
        switch kind {
        case .deny: .deny
        case .allow: .allow
        case .watch: max(worst, .review)
        }
    }

    /// Nil where being watched makes no difference.
    fileprivate func trip(over worst: Verdict) -> ReferenceModel.Trip? {
        if kind == .watch, worst > .allow { return nil }
        return ReferenceModel.Trip(
            rule: "",
            windowMs: 0,
            max: 0,
            used: 0,
            retryAfterMs: kind == .allow ? nil : leftMs,
            verdict: verdict(over: worst),
            shadow: false,
            reason: .listed
        )
    }
}

extension ReferenceModel.Headroom {
    /// Whether less of its maximum remains. A maximum of 0 has nothing left of it.
    fileprivate func isTighter(than other: Self) -> Bool {
        let (mine, theirs) = (Swift.max(max, 1), Swift.max(other.max, 1))
        let left = remaining.multipliedFullWidth(by: theirs)
        let right = other.remaining.multipliedFullWidth(by: mine)
        return (left.high, left.low) < (right.high, right.low)
    }
}
