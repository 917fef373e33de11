import SluiceModel

/// What Sluice must answer, written to be read rather than to be fast: the truth that tests hold the Redis scripts
/// against. Every counter is an explicit list of (tick, weight) pairs that lives as long as the model; times are
/// whole milliseconds, all arithmetic is on integers.
///
/// It knows the count measure; a rule with another one is refused when it is handed in.
public struct ReferenceModel: Sendable {
    /// In file order.
    var rules: [Rule]
    var counters: [CounterKey: StoredCounter] = [:]
    /// Since when each window of a rule is in force; those of the first rules have always been.
    public private(set) var births: [RuleWindow: UInt64] = [:]

    /// What there was when the script run began; nil: each request is a run of its own.
    var asRead: [CounterKey: StoredCounter]?
    /// Tuples written to by this request under other rules than before.
    var pendingSweeps: Set<[Entity]> = []
    /// Rules of which this request began a counter that was not there.
    var begun: Set<TupleRule> = []

    /// Clock steps that were noticed and whose correction was kept, one for each counter.
    public internal(set) var clockSteps = 0

    public init(rules: [Rule]) {
        self.rules = Self.covered(rules)
    }

    /// Puts other rules in force. Counters stay: they follow a rule's name and hold what happened. A window that was not
    /// in force just before is young from `now` on.
    public mutating func replace(rules: [Rule], atMs now: UInt64 = 0) {
        let before = Set(self.rules.flatMap(\.windows))
        let after = Set(rules.flatMap(\.windows))
        births = births.filter { after.contains($0.key) }
        for window in after.subtracting(before) { births[window] = now }
        self.rules = Self.covered(rules)
    }

    private static func covered(_ rules: [Rule]) -> [Rule] {
        for rule in rules {
            precondition(rule.measure == .count, "the reference model does not cover \(rule.measure.name) yet")
        }
        return rules
    }
}

/// One window of one rule, whatever entity it is counted for.
public struct RuleWindow: Hashable, Sendable {
    public var rule: String
    public var windowMs: UInt64
}

/// One rule on one tuple.
struct TupleRule: Hashable, Sendable {
    var tuple: [ReferenceModel.Entity]
    var rule: String
}

/// A counter as it was last written, and what was in force on its tuple then.
struct StoredCounter: Hashable, Sendable {
    var counter: Counter
    var inForce: Set<RuleWindow>
}

/// What a counter belongs to.
struct CounterKey: Hashable, Sendable {
    /// Sorted by dimension, so that the order in which a rule or a caller names them means nothing.
    var tuple: [ReferenceModel.Entity]
    var rule: String
    var windowMs: UInt64
    var measure: Measure

    init(tuple: [ReferenceModel.Entity], rule: String, windowMs: UInt64, measure: Measure) {
        self.tuple = Self.sorted(tuple)
        self.rule = rule
        self.windowMs = windowMs
        self.measure = measure
    }

    var window: RuleWindow { RuleWindow(rule: rule, windowMs: windowMs) }

    static func sorted(_ tuple: [ReferenceModel.Entity]) -> [ReferenceModel.Entity] {
        tuple.sorted { $0.dimension < $1.dimension }
    }
}

extension Rule {
    /// Those of its limits and of its overrides' limits.
    var windows: Set<RuleWindow> {
        let more = overrides.flatMap { override -> [Limit] in
            guard case .limits(let limits) = override.effect else { return [] }
            return limits
        }
        return Set((limits + more).map { RuleWindow(rule: name, windowMs: $0.windowMs) })
    }
}
