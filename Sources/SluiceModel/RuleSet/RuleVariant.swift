/// A rule with one of its sets of limits: its own, or an override's.
public struct RuleVariant: Sendable {
    /// One sliding window: limits of a rule over the same window share it.
    public struct Counter: Sendable {
        /// The field of the entity's hash that holds it, `<rule>/<window in ms>`.
        public let field: String
        public let windowMs: UInt64
        public let resolution: Resolution
        /// An exact log keeps at most this many pairs, a set this many members; nil for slices, which are bounded by
        /// their number.
        public let pairCap: UInt64?
    }

    public let rule: Int
    public let limits: [Limit]
    /// In the order their windows first appear among the limits.
    public let counters: [Counter]
    /// The counter of each limit.
    public let counterOfLimit: [Int]

    init(rule index: Int, of rule: Rule, limits: [Limit]) {
        self.rule = index
        self.limits = limits
        var windows: [UInt64] = []
        for limit in limits where !windows.contains(limit.windowMs) { windows.append(limit.windowMs) }
        counterOfLimit = limits.map { windows.firstIndex(of: $0.windowMs)! }
        counters = windows.map { windowMs in
            let largest = limits.lazy.filter { $0.windowMs == windowMs }.map(\.max).max() ?? 0
            let isSet = rule.measure.distinctDimension != nil
            let isExact = isSet || largest <= rule.exactUpTo
            return Counter(
                field: "\(rule.name)/\(windowMs)",
                windowMs: windowMs,
                resolution: isSet
                    ? Resolution(windowMs: windowMs, tickMs: 1)
                    : Resolution(
                        windowMs: windowMs,
                        largestMax: largest,
                        exactUpTo: rule.exactUpTo,
                        slices: rule.slices
                    ),
                pairCap: isExact ? largest + 1 : nil
            )
        }
    }
}
