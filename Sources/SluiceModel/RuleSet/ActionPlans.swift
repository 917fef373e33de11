/// What every action does: the rules that judge it and those that count it.
///
/// There is a plan for every action the file spells out and for every prefix. An action that is not spelled out follows
/// the longest prefix it begins with: any other prefix of the action is a prefix of that one too.
struct ActionPlans: Sendable {
    /// What one rule does with an action.
    struct Step: Hashable, Sendable {
        var rule: Int
        var judges: Bool
        var counts: Bool
    }

    private let actions: PatternTable
    private let plans: [[Step]]

    init(_ rules: [Rule]) {
        var builder = Builder(rules)
        actions = PatternTable(builder.numberPatterns())
        plans = builder.plans
    }

    /// In file order; nil if no rule meets `action`.
    func steps(of action: UnsafeRawBufferPointer) -> [Step]? {
        if let plan = actions.literal(action) { return plans[plan] }
        return actions.longestPrefix(action).map { plans[$0.number] }
    }
}

/// Builds plans in time that grows with the patterns of a file and with the rules they share, not with the square of
/// them.
private struct Builder {
    typealias Step = ActionPlans.Step

    /// Plans that are the same are kept once.
    private(set) var plans: [[Step]] = []
    private var numbers: [[Step]: Int] = [:]
    /// Per pattern, the rules that name it, in file order.
    private var named: [Pattern: [Step]] = [:]
    private var prefixes: [[UInt8]: [Step]] = [:]
    /// Of the prefixes, longest first.
    private var lengths: [Int] = []
    /// Of the prefixes asked for so far, so that the many actions below one cost little each.
    private var known: [[UInt8]: [Step]] = [:]

    init(_ rules: [Rule]) {
        for (index, rule) in rules.enumerated() {
            for pattern in rule.check { name(pattern, Step(rule: index, judges: true, counts: false)) }
            for pattern in rule.count { name(pattern, Step(rule: index, judges: false, counts: true)) }
        }
        for (pattern, steps) in named where pattern.isPrefix { prefixes[Array(pattern.text.utf8)] = steps }
        lengths = Set(prefixes.keys.lazy.map(\.count)).sorted(by: >)
    }

    /// Every pattern with the number of its plan.
    mutating func numberPatterns() -> [(pattern: Pattern, number: Int)] {
        var numbered: [(pattern: Pattern, number: Int)] = []
        numbered.reserveCapacity(named.count)
        for (pattern, steps) in named {
            let bytes = Array(pattern.text.utf8)
            let all =
                pattern.isPrefix
                ? self.steps(ofPrefix: bytes) : merged(steps, stepsOfBeginnings(of: bytes, atMost: bytes.count))
            numbered.append((pattern, number(of: all)))
        }
        return numbered
    }

    private mutating func name(_ pattern: Pattern, _ step: Step) {
        named[pattern] = merged(named[pattern] ?? [], [step])
    }

    private mutating func steps(ofPrefix bytes: [UInt8]) -> [Step] {
        if let steps = known[bytes] { return steps }
        let steps = merged(prefixes[bytes] ?? [], stepsOfBeginnings(of: bytes, atMost: bytes.count - 1))
        known[bytes] = steps
        return steps
    }

    /// Of the longest prefix that begins `bytes` and has at most `length` of them.
    private mutating func stepsOfBeginnings(of bytes: [UInt8], atMost length: Int) -> [Step] {
        for count in lengths where count <= length {
            let beginning = Array(bytes.prefix(count))
            if prefixes[beginning] != nil { return steps(ofPrefix: beginning) }
        }
        return []
    }

    private mutating func number(of steps: [Step]) -> Int {
        if let number = numbers[steps] { return number }
        plans.append(steps)
        numbers[steps] = plans.count - 1
        return plans.count - 1
    }

    /// The rules of both, in file order; what a rule does in either.
    private func merged(_ a: [Step], _ b: [Step]) -> [Step] {
        guard !b.isEmpty else { return a }
        guard !a.isEmpty else { return b }
        var all: [Step] = []
        all.reserveCapacity(a.count + b.count)
        var (i, j) = (0, 0)
        while i < a.count || j < b.count {
            if j == b.count || i < a.count && a[i].rule < b[j].rule {
                all.append(a[i])
                i += 1
            } else if i == a.count || b[j].rule < a[i].rule {
                all.append(b[j])
                j += 1
            } else {
                let (judges, counts) = (a[i].judges || b[j].judges, a[i].counts || b[j].counts)
                all.append(Step(rule: a[i].rule, judges: judges, counts: counts))
                (i, j) = (i + 1, j + 1)
            }
        }
        return all
    }
}
