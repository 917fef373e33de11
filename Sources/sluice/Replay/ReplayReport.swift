import SluiceModel
import SluiceWire

/// What a replay did, gathered event by event: how often each rule judged and tripped, whom it touched, and, where
/// events carry a label, how much of each kind was caught.
///
/// Its memory depends on the rules and on the bounds named here, not on the number of events.
struct ReplayReport {
    /// Labels beyond these are counted together.
    static let labelsApart = 1_000

    struct RuleCount {
        var judged: UInt64 = 0
        var tripped: UInt64 = 0
        /// Tripped requests by the worst verdict among the rule's own trips.
        var worst = VerdictCount()
        var touched = DistinctTuples()
    }

    /// Events that share a label, or have none.
    struct KindCount {
        var events: UInt64 = 0
        var verdicts = VerdictCount()
        /// By rule, in file order: judged events it tripped for, shadow rules included.
        var trippedByRule: [UInt64]
        /// Events with somebody on a list that gave the verdict, by kind.
        var listed: [String: UInt64] = [:]
    }

    /// In file order.
    let rules: [Rule]
    private(set) var perRule: [RuleCount]
    private(set) var perMode = [UInt64](repeating: 0, count: Mode.allCases.count)
    private(set) var badLines: UInt64 = 0
    /// Events whose id had come before, and that counted nothing.
    private(set) var repeats: UInt64 = 0
    /// Of the events that were judged: all but records.
    private(set) var verdicts = VerdictCount()
    private(set) var times: ClosedRange<UInt64>?
    /// In the order in which labels first appear.
    private(set) var labels: [(label: String, count: KindCount)] = []
    private(set) var otherLabels: KindCount
    private(set) var unlabelled: KindCount

    private let ruleIndices: [String: Int]
    private var labelIndices: [String: Int] = [:]

    init(rules: [Rule]) {
        self.rules = rules
        perRule = Array(repeating: RuleCount(), count: rules.count)
        ruleIndices = Dictionary(rules.enumerated().map { ($1.name, $0) }) { first, _ in first }
        let nothing = KindCount(trippedByRule: Array(repeating: 0, count: rules.count))
        otherLabels = nothing
        unlabelled = nothing
    }

    var events: UInt64 { perMode.reduce(0, +) }
    var judged: UInt64 { verdicts.total }

    func events(_ mode: Mode) -> UInt64 { perMode[Int(mode.rawValue)] }

    mutating func addBadLine() {
        badLines += 1
    }

    /// Counts one event and the answer it got.
    ///
    /// - Parameter judging: the rules that judged it, as indices into `rules`. An answer names only those that tripped.
    mutating func add(_ event: EventLine, _ response: WireCheckResponse, judging: some Sequence<Int>) {
        perMode[Int(event.mode.rawValue)] += 1
        times = times.map { min($0.lowerBound, event.atMs)...max($0.upperBound, event.atMs) } ?? event.atMs...event.atMs

        if response.duplicate { repeats += 1 }
        var verdict: Verdict?
        var tripped: [Int: Verdict] = [:]
        if event.mode != .record {
            verdict = Verdict(response.verdict) ?? .deny
            for trip in response.trips {
                guard let rule = ruleIndices[trip.rule] else { continue }
                tripped[rule] = max(tripped[rule] ?? .allow, Verdict(trip.verdict) ?? .deny)
            }
            for rule in judging { perRule[rule].judged += 1 }
            for (rule, worst) in tripped {
                perRule[rule].tripped += 1
                perRule[rule].worst.add(worst)
                perRule[rule].touched.insert(event.values(of: rules[rule].per))
            }
        }
        if let verdict { verdicts.add(verdict) }
        withKind(labelled: event.label) { kind in
            kind.events += 1
            if let verdict { kind.verdicts.add(verdict) }
            for rule in tripped.keys { kind.trippedByRule[rule] += 1 }
            // An allowed entity is not caught.
            let listed = response.trips.first { $0.reason == .listed && $0.verdict != .allow }
            if let list = listed?.limit.split(separator: " ").first { kind.listed["\(list) list", default: 0] += 1 }
        }
    }

    private mutating func withKind(labelled label: String?, _ body: (inout KindCount) -> Void) {
        guard let label else { return body(&unlabelled) }
        if let index = labelIndices[label] { return body(&labels[index].count) }
        guard labels.count < Self.labelsApart else { return body(&otherLabels) }
        labelIndices[label] = labels.count
        labels.append((label, KindCount(trippedByRule: Array(repeating: 0, count: perRule.count))))
        body(&labels[labels.count - 1].count)
    }

    /// The list that gave the verdict for most of these events, or the enforced rule that tripped for more; of equal rules
    /// the first of the file.
    func mainCatcher(of kind: KindCount) -> (rule: String, events: UInt64)? {
        let lists = kind.listed.sorted { ($0.value, $1.key) > ($1.value, $0.key) }
        var best: (rule: String, events: UInt64)? = lists.first.map { ($0.key, $0.value) }
        for (rule, count) in zip(rules, kind.trippedByRule) where !rule.shadow && count > (best?.events ?? 0) {
            best = (rule.name, count)
        }
        return best
    }
}

/// Events by verdict.
struct VerdictCount {
    private var counts = [UInt64](repeating: 0, count: Verdict.allCases.count)

    subscript(verdict: Verdict) -> UInt64 { counts[Int(verdict.rawValue)] }

    var total: UInt64 { counts.reduce(0, +) }
    /// All but those allowed.
    var touched: UInt64 { total - self[.allow] }

    mutating func add(_ verdict: Verdict) {
        counts[Int(verdict.rawValue)] += 1
    }
}
