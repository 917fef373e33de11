import SluiceModel

extension ReferenceModel {
    /// Every limit whose tuple is contained in `entities`, in file order. `when` is not asked, overrides are resolved
    /// with these entities, and what is exempt with them is left out.
    public func inspect(_ entities: [(dimension: String, value: [UInt8])], atMs now: UInt64) -> [Usage] {
        let values = Self.valuesByDimension(entities)
        return rules.compactMap { AppliedRule($0, to: values, ignoringWhen: true) }.flatMap { applied in
            let readings = readings(of: applied, atMs: now)
            return applied.limits.compactMap { limit -> Usage? in
                guard let reading = readings[limit.windowMs] else { return nil }
                return Usage(
                    rule: applied.rule.name,
                    per: applied.tuple,
                    windowMs: limit.windowMs,
                    max: limit.max,
                    used: reading.usedBefore,
                    verdict: limit.verdict,
                    shadow: applied.rule.shadow,
                    resetMs: reading.counter.resetMs(from: now)
                )
            }
        }
    }

    /// Forgets the counters of exactly this tuple, of all rules or of one, in force or not.
    ///
    /// - Returns: how many counters held anything, expired or not.
    @discardableResult
    public mutating func reset(_ entities: [(dimension: String, value: [UInt8])], rule: String? = nil) -> Int {
        let values = Self.valuesByDimension(entities)
        let tuple = CounterKey.sorted(values.map { Entity(dimension: $0.key, value: $0.value) })
        let gone = counters.keys.filter { $0.tuple == tuple && (rule == nil || $0.rule == rule) }
        for key in gone {
            counters[key] = nil
        }
        return gone.count
    }
}
