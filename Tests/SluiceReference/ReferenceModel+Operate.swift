import SluiceModel

extension ReferenceModel {
    /// Every limit whose tuple is contained in `entities`, in file order. `when` is not asked, overrides are resolved
    /// with these entities, and what is exempt with them is left out.
    public func inspect(_ entities: [(dimension: String, value: [UInt8])], atMs now: UInt64) -> [Usage] {
        let values = Self.valuesByDimension(entities)
        return rules.compactMap { AppliedRule($0, to: values, ignoringWhen: true) }.flatMap { applied in
            let readings = readings(of: applied, judging: true, atMs: now)
            return applied.limits.compactMap { limit -> Usage? in
                guard let reading = readings[limit.windowMs] else { return nil }
                let block = reading.block(of: limit, atMs: now)
                return Usage(
                    rule: applied.rule.name,
                    per: applied.tuple,
                    windowMs: limit.windowMs,
                    max: limit.max,
                    used: reading.cell.tally.used,
                    verdict: limit.verdict,
                    shadow: applied.rule.shadow,
                    resetMs: reading.cell.tally.resetMs(from: now),
                    blockedMs: block?.leftMs(from: now) ?? 0,
                    blockStep: block?.step ?? 0
                )
            }
        }
    }

    /// Forgets the counters and blocks of exactly this tuple, of all rules or of one, in force or not.
    ///
    /// - Returns: how many cells held anything, expired or not.
    @discardableResult
    public mutating func reset(_ entities: [(dimension: String, value: [UInt8])], rule: String? = nil) -> Int {
        let tuple = Self.sortedTuple(entities)
        let before = cells[tuple: tuple]
        let kept = before.filter { rule != nil && $0.key.rule != rule }
        cells[tuple: tuple] = kept
        return before.count - kept.count
    }

    /// Lifts every block of exactly this tuple and forgets how far it had escalated; counters stay.
    ///
    /// - Returns: how many blocks were remembered, over or not.
    @discardableResult
    public mutating func unblock(_ entities: [(dimension: String, value: [UInt8])]) -> Int {
        let tuple = Self.sortedTuple(entities)
        let before = cells[tuple: tuple]
        cells[tuple: tuple] = before.compactMapValues { cell in
            var cell = cell
            cell.blocks = [:]
            return cell.isEmpty ? nil : cell
        }
        return before.values.reduce(0) { $0 + $1.blocks.count }
    }

    /// Absent and empty values are the same.
    static func valuesByDimension(_ entities: [(dimension: String, value: [UInt8])]) -> [String: [UInt8]] {
        var values: [String: [UInt8]] = [:]
        for entity in entities where !entity.value.isEmpty {
            values[entity.dimension] = entity.value
        }
        return values
    }

    static func sortedTuple(_ entities: [(dimension: String, value: [UInt8])]) -> [Entity] {
        valuesByDimension(entities).map { Entity(dimension: $0.key, value: $0.value) }.sortedByDimension
    }
}
