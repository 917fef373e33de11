/// How much of the rules in force one reload may change unless somebody insists: a slip of the finger in a number, or a
/// file that was cut short, is refused.
public struct Guardrails: Hashable, Sendable {
    /// In hundredths: 1,000 is `10x`. Nil: any.
    public var maxLimitChange: UInt64?
    /// Percent of the rules in force, 0 to 100. Nil: any.
    public var maxRulesRemoved: UInt64?

    public init(maxLimitChange: UInt64? = nil, maxRulesRemoved: UInt64? = nil) {
        self.maxLimitChange = maxLimitChange
        self.maxRulesRemoved = maxRulesRemoved
    }

    /// Why a reload from `old`, whose guardrails these are, to `new` is refused, a line each; empty if it is not.
    ///
    /// A limit's change is that of its `max`, and where its window changes too, that of `max` per time; from or to 0 is
    /// beyond every factor. A renamed rule counts as removed, for its counters are lost.
    public func violations(from old: LimitsFile, to new: LimitsFile) -> [String] {
        removals(from: old, to: new) + limitChanges(from: old, to: new)
    }

    private func removals(from old: LimitsFile, to new: LimitsFile) -> [String] {
        guard let maxRulesRemoved, !old.rules.isEmpty else { return [] }
        let kept = Set(new.rules.map(\.name))
        let removed = old.rules.filter { !kept.contains($0.name) }
        guard UInt64(removed.count) * 100 > maxRulesRemoved * UInt64(old.rules.count) else { return [] }
        return [
            "\(removed.count) of \(old.rules.count) rules would be removed, more than max_rules_removed "
                + "\(maxRulesRemoved)% allows: \(Words.list(removed.map(\.name))); reload with --force if it is meant"
        ]
    }

    private func limitChanges(from old: LimitsFile, to new: LimitsFile) -> [String] {
        guard let maxLimitChange else { return [] }
        let before = Dictionary(uniqueKeysWithValues: old.rules.map { ($0.name, $0) })
        return new.rules.flatMap { rule -> [String] in
            guard let former = before[rule.name] else { return [] }
            return LimitPair.all(of: former, and: rule).compactMap { pair -> String? in
                guard case .changed(let a, let b) = pair.limits, Self.isBeyond(maxLimitChange, from: a, to: b) else {
                    return nil
                }
                return "\(rule.name): \(pair.place)\(a.words) → \(b.words) is more than max_limit_change "
                    + "\(Words.factor(maxLimitChange)) allows; reload with --force if it is meant"
            }
        }
    }

    private static func isBeyond(_ hundredths: UInt64, from a: Limit, to b: Limit) -> Bool {
        var (x, y) = (Double(a.max), Double(b.max))
        if x == y, a.windowMs == b.windowMs { return false }
        if a.windowMs != b.windowMs {
            x /= Double(a.windowMs)
            y /= Double(b.windowMs)
        }
        guard min(x, y) > 0 else { return x != y }
        // A hair of slack: a rate that is exactly the factor must pass.
        return max(x, y) * 100 > Double(hundredths) * min(x, y) * (1 + 1e-12)
    }
}
