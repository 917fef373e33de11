import SluiceModel

extension ReferenceModel {
    /// Judges and counts one request, as one indivisible step.
    ///
    /// - Parameter now: unix ms of the clock that all decisions share; it may step in either direction.
    public mutating func decide(_ request: Request, atMs now: UInt64) -> Decision {
        var involved = involvedRules(in: request, atMs: now)

        let verdict =
            involved.filter { !$0.applied.rule.shadow }.flatMap(\.tripped).map(\.verdict).max() ?? .allow

        for index in involved.indices where involved[index].advances(in: request.mode, verdict: verdict) {
            involved[index].advance(request)
        }
        for rule in involved {
            keep(rule, after: request.mode)
        }
        sweep()
        return Self.answer(involved, verdict: verdict, from: now)
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
            return InvolvedRule(
                applied: applied,
                judges: judges,
                counts: counts,
                weight: counts ? max(request.cost, 1) : 1,
                readings: readings(of: applied, atMs: now)
            )
        }
    }

    /// The rule's counters by window in ms.
    func readings(of applied: AppliedRule, atMs now: UInt64) -> [UInt64: Reading] {
        var readings: [UInt64: Reading] = [:]
        for windowMs in applied.windowsMs {
            let counter = stored(applied.counterKey(windowMs: windowMs), applied, atMs: now)
            readings[windowMs] = Reading(counter, atMs: now)
        }
        return readings
    }

    /// Writes what the request did to the rule's counters.
    private mutating func keep(_ involved: InvolvedRule, after mode: Mode) {
        for (windowMs, reading) in involved.readings {
            let writes =
                switch mode {
                case .check: reading.isAdvanced || reading.isStep
                case .peek: false
                case .record: reading.isAdvanced
                }
            guard writes else { continue }
            write(reading.counter, involved.applied.counterKey(windowMs: windowMs))
            if reading.isStep { clockSteps += 1 }
        }
    }

    private static func answer(_ involved: [InvolvedRule], verdict: Verdict, from now: UInt64) -> Decision {
        let trips = involved.flatMap { $0.trips(from: now) }
        let decisive = trips.filter { !$0.shadow && $0.verdict == verdict }
        let waits = decisive.compactMap(\.retryAfterMs)
        var tightest: Headroom?
        for headroom in involved.flatMap({ $0.headrooms(from: now) }) {
            if let least = tightest, !headroom.isTighter(than: least) { continue }
            tightest = headroom
        }
        return Decision(
            verdict: verdict,
            trips: trips,
            retryAfterMs: waits.count == decisive.count ? waits.max() : nil,
            tightest: tightest
        )
    }

    /// Absent and empty values are the same.
    static func valuesByDimension(_ entities: [(dimension: String, value: [UInt8])]) -> [String: [UInt8]] {
        var values: [String: [UInt8]] = [:]
        for entity in entities where !entity.value.isEmpty {
            values[entity.dimension] = entity.value
        }
        return values
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
