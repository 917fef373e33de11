import SluiceModel

/// One event loop's counters. Plain numbers, bumped on the loop and read by a hop to it.
struct LoopMetrics: Sendable {
    /// By basis, then verdict.
    private(set) var decisions = Array(
        repeating: Array(repeating: UInt64(0), count: Verdict.allCases.count),
        count: Basis.allCases.count
    )
    /// Of the rule set in force, per variant and limit, enforced and shadow alike.
    private(set) var trips: [[UInt64]] = []
    /// Trips of rule sets that were, by rule.
    private(set) var tripsBefore: [String: UInt64] = [:]
    private(set) var failures: [RedisFailure: UInt64] = [:]
    private(set) var protocolErrors: [String: UInt64] = [:]
    var runs: UInt64 = 0
    var runRequests: UInt64 = 0
    var clockSteps: UInt64 = 0
    var unreadableCells: UInt64 = 0
    var shed: UInt64 = 0
    var invalidRequests: UInt64 = 0
    var connectionsAccepted: UInt64 = 0
    var connectionsRefused: UInt64 = 0

    /// - Parameters:
    ///   - rules: what the answer was judged by.
    ///   - isCurrent: whether that is still the rule set in force.
    mutating func count(_ answer: Answer, by rules: RuleSet, isCurrent: Bool) {
        decisions[Int(answer.basis.rawValue)][Int(answer.verdict.rawValue)] += 1
        for trip in answer.trips {
            if isCurrent {
                trips[trip.variant][trip.limit] += 1
            } else {
                tripsBefore[rules.rules[rules.variants[trip.variant].rule].name, default: 0] += 1
            }
        }
    }

    mutating func count(_ failure: RedisFailure) {
        failures[failure, default: 0] += 1
    }

    mutating func countProtocolError(_ name: String) {
        protocolErrors[name, default: 0] += 1
    }

    /// Starts the counters of another rule set; what was counted stays, by rule.
    mutating func begin(_ next: RuleSet, after last: RuleSet?) {
        if let last {
            for (name, count) in tripsByRule(in: last) { tripsBefore[name] = count }
        }
        trips = next.variants.map { Array(repeating: 0, count: $0.limits.count) }
    }

    func tripsByRule(in rules: RuleSet) -> [String: UInt64] {
        var total = tripsBefore
        for (variant, counts) in zip(rules.variants, trips) {
            total[rules.rules[variant.rule].name, default: 0] += counts.reduce(0, +)
        }
        return total
    }
}
