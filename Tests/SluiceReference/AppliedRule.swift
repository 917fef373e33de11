import SluiceModel

/// A rule that applies to a request, with the limits and the tuple it has there.
struct AppliedRule {
    let rule: Rule
    /// The rule's own, or those of its most specific override that matches.
    let limits: [Limit]
    /// In the order of the rule's `per`.
    let tuple: [ReferenceModel.Entity]

    /// Nil where a dimension is missing, `when` does not hold, or the entities are exempt.
    ///
    /// - Parameter entities: values by dimension; none is empty.
    init?(_ rule: Rule, to entities: [String: [UInt8]], ignoringWhen: Bool = false) {
        guard ignoringWhen || rule.when.allSatisfy({ $0.match(in: entities) != nil }) else { return nil }

        var tuple: [ReferenceModel.Entity] = []
        for dimension in rule.per {
            guard let value = entities[dimension] else { return nil }
            tuple.append(ReferenceModel.Entity(dimension: dimension, value: value))
        }

        switch Self.mostSpecific(rule.overrides, for: entities)?.effect {
        case .exempt: return nil
        case .limits(let limits): self.limits = limits
        case nil: self.limits = rule.limits
        }
        self.rule = rule
        self.tuple = tuple
    }

    /// Each window once: limits with the same window share a counter.
    var windowsMs: [UInt64] {
        limits.map(\.windowMs).reduce(into: []) { windows, window in
            if !windows.contains(window) { windows.append(window) }
        }
    }

    func largestMax(windowMs: UInt64) -> UInt64 {
        limits.filter { $0.windowMs == windowMs }.map(\.max).max() ?? 0
    }

    /// A set of different values is always kept to the millisecond.
    func resolution(windowMs: UInt64) -> Resolution {
        switch rule.measure {
        case .count, .sum:
            Resolution(
                windowMs: windowMs,
                largestMax: largestMax(windowMs: windowMs),
                exactUpTo: rule.exactUpTo,
                slices: rule.slices
            )
        case .distinct:
            Resolution(windowMs: windowMs, tickMs: 1)
        }
    }

    /// The verdicts of its limits that start blocks: limits with the same window and verdict share one.
    func blockingVerdicts(windowMs: UInt64) -> Set<Verdict> {
        Set(limits.filter { $0.windowMs == windowMs && !$0.blockForMs.isEmpty }.map(\.verdict))
    }

    func cellKey(windowMs: UInt64) -> CellKey {
        CellKey(tuple: tuple, window: RuleWindow(rule: rule.name, windowMs: windowMs))
    }

    /// More exact values, then longer prefixes, then file order.
    private static func mostSpecific(_ overrides: [Override], for entities: [String: [UInt8]]) -> Override? {
        var best: (override: Override, exactValues: Int, prefixBytes: Int)?
        for override in overrides {
            let matches = override.conditions.compactMap { $0.match(in: entities) }
            guard matches.count == override.conditions.count else { continue }
            let exactValues = matches.filter { $0 == .exact }.count
            let prefixBytes = matches.reduce(0) { $0 + $1.prefixBytes }
            if let best, (exactValues, prefixBytes) <= (best.exactValues, best.prefixBytes) { continue }
            best = (override, exactValues, prefixBytes)
        }
        return best?.override
    }
}

/// How closely a pattern describes a value.
enum PatternMatch: Equatable {
    case exact
    case prefix(bytes: Int)

    var prefixBytes: Int {
        switch self {
        case .exact: 0
        case .prefix(let bytes): bytes
        }
    }
}

extension Pattern {
    func match(_ bytes: [UInt8]) -> PatternMatch? {
        let own = Array(text.utf8)
        if isPrefix {
            return bytes.starts(with: own) ? .prefix(bytes: own.count) : nil
        }
        return bytes == own ? .exact : nil
    }
}

extension Condition {
    /// The closest match among its patterns; nil if none matches or the dimension is missing.
    func match(in entities: [String: [UInt8]]) -> PatternMatch? {
        guard let value = entities[dimension] else { return nil }
        let matches = patterns.compactMap { $0.match(value) }
        return matches.contains(.exact) ? .exact : matches.max { $0.prefixBytes < $1.prefixBytes }
    }
}
