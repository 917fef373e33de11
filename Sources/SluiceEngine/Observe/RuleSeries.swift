import SluiceModel

/// Counts by the names of rules and limits, which outlive a rule set: a counter never goes down.
struct RuleSeries: Sendable {
    struct Decisions: Hashable, Sendable {
        var rule: String
        var basis: Basis
        var verdict: Verdict

        /// Whether a limit of the rule tripped; what policy answers is no trip.
        var isTrip: Bool { verdict != .allow && basis != .policy }
    }

    struct Trips: Hashable, Sendable {
        var rule: String
        /// As written.
        var limit: String
        var shadow: Bool
    }

    /// Beyond so many series, rules that were never seen before are counted together under this name: a service that
    /// is reloaded with ever new names does not grow without end.
    static let most = 8_000
    static let others = "(others)"

    private(set) var decisions: [Decisions: UInt64] = [:]
    private(set) var trips: [Trips: UInt64] = [:]

    mutating func add(_ count: UInt64, decisions rule: String, _ basis: Basis, _ verdict: Verdict) {
        var key = Decisions(rule: rule, basis: basis, verdict: verdict)
        if decisions.count >= Self.most, decisions[key] == nil { key.rule = Self.others }
        decisions[key, default: 0] &+= count
    }

    mutating func add(_ count: UInt64, trips rule: String, _ limit: String, shadow: Bool) {
        var key = Trips(rule: rule, limit: limit, shadow: shadow)
        if trips.count >= Self.most, trips[key] == nil { key = Trips(rule: Self.others, limit: "", shadow: shadow) }
        trips[key, default: 0] &+= count
    }

    mutating func add(_ metrics: LoopMetrics, of rules: RuleSet) {
        for (index, variant) in rules.variants.enumerated() {
            let rule = rules.rules[variant.rule]
            for (limit, count) in zip(variant.limits, metrics.trips[index]) where count > 0 {
                add(count, trips: rule.name, limit.text, shadow: rule.shadow)
            }
            for basis in Basis.allCases {
                for verdict in Verdict.allCases {
                    let place = index * LoopMetrics.outcomes + Int(basis.rawValue) * LoopMetrics.verdicts
                    let count = metrics.ruleDecisions[place + Int(verdict.rawValue)]
                    if count > 0 { add(count, decisions: rule.name, basis, verdict) }
                }
            }
        }
    }

    mutating func add(_ other: RuleSeries) {
        for (key, count) in other.decisions { add(count, decisions: key.rule, key.basis, key.verdict) }
        for (key, count) in other.trips { add(count, trips: key.rule, key.limit, shadow: key.shadow) }
    }

    /// Trips of one rule, all of its limits together.
    func trips(of rule: String) -> UInt64 {
        trips.reduce(0) { $1.key.rule == rule ? $0 + $1.value : $0 }
    }
}
