extension LimitsReader {
    /// Checks that no action meets more than 128 limits, over all rules that judge or count it.
    ///
    /// The rules that meet an action are those that name it exactly and those that name a prefix of it. So the worst
    /// actions are the exact ones of the file, and for each prefix any action that nothing longer in the file begins.
    func checkActionLoads() {
        let loads = drafts.map(\.largestLimitCount)
        guard loads.reduce(0, +) > Caps.limitsPerAction else { return }
        var index = ActionIndex(drafts, loads)
        var reported: Set<Int> = []
        for pattern in index.patterns {
            let load = index.load(of: pattern)
            // One message for each rule that is too much, not one for each of its actions.
            guard load.limits > Caps.limitsPerAction, reported.isDisjoint(with: load.rules) else { continue }
            var total = 0
            let excess = load.rules.sorted().first { rule in
                total += loads[rule]
                return total > Caps.limitsPerAction
            }
            guard let excess, let position = drafts[excess].limitsPosition else { continue }
            reported.insert(excess)
            report.error(
                at: position,
                "action \(quoted(pattern.spelling)) would meet \(total) limits with this rule; "
                    + "at most 128 for one action")
        }
    }
}

/// Which rules meet an action, by its bytes.
private struct ActionIndex {
    struct Load {
        var rules: Set<Int> = []
        /// Of all the rules together.
        var limits = 0
    }

    /// Every pattern of the file once, in file order.
    private(set) var patterns: [Pattern] = []
    private let limits: [Int]
    private var exact: [[UInt8]: [Int]] = [:]
    private var prefixes: [[UInt8]: [Int]] = [:]
    private var prefixLengths: Set<Int> = []
    /// Of the prefixes asked for so far, so that the many actions below one cost little each.
    private var prefixLoads: [[UInt8]: Load] = [:]

    /// - Parameter limits: of each draft.
    init(_ drafts: [RuleDraft], _ limits: [Int]) {
        self.limits = limits
        for (rule, draft) in drafts.enumerated() {
            for pattern in (draft.check ?? []) + (draft.count ?? []) {
                let bytes = Array(pattern.text.utf8)
                let isNew: Bool
                if pattern.isPrefix {
                    prefixLengths.insert(bytes.count)
                    isNew = Self.add(rule, to: &prefixes[bytes, default: []])
                } else {
                    isNew = Self.add(rule, to: &exact[bytes, default: []])
                }
                if isNew { patterns.append(pattern) }
            }
        }
    }

    /// True if it is the first.
    private static func add(_ rule: Int, to rules: inout [Int]) -> Bool {
        if rules.last != rule { rules.append(rule) }
        return rules.count == 1
    }

    mutating func load(of pattern: Pattern) -> Load {
        let bytes = Array(pattern.text.utf8)
        if pattern.isPrefix { return load(ofPrefix: bytes) }
        let shared = longestPrefix(of: bytes, atMost: bytes.count).map { load(ofPrefix: $0) } ?? Load()
        return adding(exact[bytes] ?? [], to: shared)
    }

    private mutating func load(ofPrefix bytes: [UInt8]) -> Load {
        if let known = prefixLoads[bytes] { return known }
        let shared = longestPrefix(of: bytes, atMost: bytes.count - 1).map { load(ofPrefix: $0) } ?? Load()
        let all = adding(prefixes[bytes] ?? [], to: shared)
        prefixLoads[bytes] = all
        return all
    }

    /// The longest prefix of the file that begins `bytes`.
    private func longestPrefix(of bytes: [UInt8], atMost length: Int) -> [UInt8]? {
        var longest: [UInt8]?
        for candidate in prefixLengths where candidate <= length && candidate >= longest?.count ?? 0 {
            let prefix = Array(bytes.prefix(candidate))
            if prefixes[prefix] != nil { longest = prefix }
        }
        return longest
    }

    private func adding(_ rules: [Int], to load: Load) -> Load {
        var all = load
        for rule in rules where all.rules.insert(rule).inserted { all.limits += limits[rule] }
        return all
    }
}
