import SluiceModel

/// One event loop's counters. Plain numbers, bumped on the loop and copied by a hop to it.
struct LoopMetrics: Sendable {
    static let verdicts = Verdict.allCases.count
    static let outcomes = Basis.allCases.count * verdicts

    /// By basis, then verdict.
    private(set) var decisions = Array(repeating: UInt64(0), count: outcomes)
    /// Of the rule set in force: per variant, by basis, then the verdict that the rule alone gives.
    private(set) var ruleDecisions: [UInt64] = []
    /// Of the rule set in force: per variant and limit.
    private(set) var trips: [[UInt64]] = []
    /// Of rule sets that were.
    private(set) var former = RuleSeries()

    /// From a request's arrival to its answer, in µs.
    private(set) var requestMicros = FixedHistogram.micros
    /// From a request's arrival to its run being sent to Redis, in µs.
    private(set) var queueMicros = FixedHistogram.micros
    /// From a run being sent to its reply, in µs.
    private(set) var redisMicros = FixedHistogram.micros
    private(set) var batchSizes = FixedHistogram.batch

    private(set) var failures: [RedisFailure: UInt64] = [:]
    private(set) var protocolErrors: [String: UInt64] = [:]
    /// Answers that a list decided, or made a review of, by its kind.
    private(set) var listed = Array(repeating: UInt64(0), count: ListKind.allCases.count)
    var runs: UInt64 = 0
    /// Entities that gave back what a request had reserved, and those of which that is not known.
    var releases: UInt64 = 0
    var releasesLost: UInt64 = 0
    /// Times a breaker opened.
    var breakerOpenings: UInt64 = 0
    var clockSteps: UInt64 = 0
    private(set) var duplicates: UInt64 = 0
    /// What undo answered: taken back, or nothing to take back.
    var undos: UInt64 = 0
    var undosInVain: UInt64 = 0
    var unreadableCells: UInt64 = 0
    /// Refused from the deny cache, and counted by rules that count attempts; or not, because Redis was lost.
    var attemptsCoalesced: UInt64 = 0
    var attemptsLost: UInt64 = 0
    var shed: UInt64 = 0
    var invalidRequests: UInt64 = 0
    var connectionsAccepted: UInt64 = 0
    private(set) var connectionsRefused: [ConnectionRefusal: UInt64] = [:]
    /// Connections that were ended, or told to go, for what had not happened on them.
    private(set) var connectionsCut: [ConnectionWatch.Lapse: UInt64] = [:]
    var receivedBytes: UInt64 = 0
    var sentBytes: UInt64 = 0

    /// Counts an answer.
    ///
    /// - Parameters:
    ///   - uses: the rules that the request met.
    ///   - rules: what it was judged by.
    ///   - isCurrent: whether that is still the rule set in force.
    mutating func count(
        _ answer: borrowing Answer, _ uses: ArraySlice<RuleUse>, by rules: RuleSet, isCurrent: Bool, micros: UInt32
    ) {
        let basis = Int(answer.basis.rawValue) * Self.verdicts
        decisions[basis + Int(answer.verdict.rawValue)] &+= 1
        requestMicros.record(UInt64(micros))
        if let listing = answer.listing { listed[Int(listing.kind.rawValue) - 1] &+= 1 }
        guard !answer.isDuplicate else {
            duplicates &+= 1
            return
        }
        guard isCurrent else { return countFormer(answer, uses, by: rules) }
        // Trips come in the order of the uses.
        var next = 0
        for use in uses where use.judges {
            var verdict = Verdict.allow
            while next < answer.trips.count, answer.trips[next].variant == Int(use.variant) {
                let trip = answer.trips[next]
                trips[trip.variant][trip.limit] &+= 1
                verdict = max(verdict, rules.variants[trip.variant].limits[trip.limit].verdict)
                next += 1
            }
            verdict = max(verdict, answer.policy(of: Int(use.variant)))
            // The cache says nothing of rules that have not tripped.
            if answer.basis == .cache, verdict == .allow { continue }
            ruleDecisions[Int(use.variant) * Self.outcomes + basis + Int(verdict.rawValue)] &+= 1
        }
    }

    /// An answer that comes after its rules were replaced: rare, and counted by name.
    private mutating func countFormer(
        _ answer: borrowing Answer, _ uses: ArraySlice<RuleUse>, by rules: RuleSet
    ) {
        for use in uses where use.judges {
            let variant = rules.variants[Int(use.variant)]
            let rule = rules.rules[variant.rule]
            var verdict = answer.policy(of: Int(use.variant))
            for trip in answer.trips where trip.variant == Int(use.variant) {
                let limit = variant.limits[trip.limit]
                verdict = max(verdict, limit.verdict)
                former.add(1, trips: rule.name, limit.text, shadow: rule.shadow)
            }
            former.add(1, decisions: rule.name, answer.basis, verdict)
        }
    }

    mutating func countRun(requests: Int) {
        runs &+= 1
        batchSizes.record(UInt64(requests))
    }

    mutating func countQueued(micros: UInt64) { queueMicros.record(micros) }
    mutating func countReply(micros: UInt64) { redisMicros.record(micros) }

    mutating func count(_ failure: RedisFailure) {
        failures[failure, default: 0] += 1
    }

    mutating func count(_ refusal: ConnectionRefusal) {
        connectionsRefused[refusal, default: 0] += 1
    }

    mutating func count(_ lapse: ConnectionWatch.Lapse) {
        connectionsCut[lapse, default: 0] += 1
    }

    mutating func countProtocolError(_ name: String) {
        protocolErrors[name, default: 0] += 1
    }

    /// Starts the counters of another rule set; what was counted stays, by name.
    mutating func begin(_ next: RuleSet, after last: RuleSet?) {
        if let last { former.add(self, of: last) }
        trips = next.variants.map { Array(repeating: 0, count: $0.limits.count) }
        ruleDecisions = Array(repeating: 0, count: next.variants.count * Self.outcomes)
    }

    /// What has been counted of rules, those in force and those that were, by name.
    func series(in rules: RuleSet) -> RuleSeries {
        var all = former
        all.add(self, of: rules)
        return all
    }
}
