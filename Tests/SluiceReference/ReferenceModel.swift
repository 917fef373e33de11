import SluiceModel

/// What Sluice must answer, written to be read rather than to be fast: the truth that tests hold the Redis scripts
/// against. Every counter is an explicit list of (tick, weight) pairs that lives as long as the model; times are
/// whole milliseconds, all arithmetic is on integers.
///
/// It knows the count measure; a rule with another one is refused when it is handed in.
public struct ReferenceModel: Sendable {
    /// In file order.
    var rules: [Rule]
    var counters: [CounterKey: Counter] = [:]

    /// Clock steps that were noticed and whose correction was kept, one for each counter.
    public internal(set) var clockSteps = 0

    public init(rules: [Rule]) {
        self.rules = Self.covered(rules)
    }

    /// Puts other rules in force. Counters stay: they follow a rule's name and window and hold what happened.
    public mutating func replace(rules: [Rule]) {
        self.rules = Self.covered(rules)
    }

    private static func covered(_ rules: [Rule]) -> [Rule] {
        for rule in rules {
            precondition(rule.measure == .count, "the reference model does not cover \(rule.measure.name) yet")
        }
        return rules
    }
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

    static func sorted(_ tuple: [ReferenceModel.Entity]) -> [ReferenceModel.Entity] {
        tuple.sorted { $0.dimension < $1.dimension }
    }
}
