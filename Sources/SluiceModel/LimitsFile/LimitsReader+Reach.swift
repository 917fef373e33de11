extension LimitsReader {
    /// Finds overrides that apply to no request, which is an error, or only to some of those they name, and rules
    /// whose own limits their overrides leave nothing to do.
    func checkReach(_ draft: RuleDraft) {
        guard !draft.overrides.isEmpty else { return }
        let asked = AskedValues(draft.when)
        var seen: [[[UInt8]]: SourcePosition] = [:]
        for (override, position) in draft.overrides where !override.conditions.isEmpty {
            checkAgainstWhen(override, position, asked)
            checkAgainstEarlier(override, position, &seen)
        }
        warnOfUnreachedLimits(draft, asked)
    }

    private func checkAgainstWhen(_ override: Override, _ position: SourcePosition, _ asked: AskedValues) {
        for condition in override.conditions {
            guard let index = asked.indexes[condition.dimension] else { continue }
            let dimension = condition.dimension
            let reached = condition.patterns.count { index.overlaps($0) }
            if reached == 0 {
                report.error(
                    at: position,
                    "this override never applies: the rule's \"when\" asks for other values of \"\(dimension)\"")
            } else if reached < condition.patterns.count {
                report.warning(
                    at: position,
                    "\(condition.patterns.count - reached) of \(condition.patterns.count) values of \"\(dimension)\" "
                        + "never apply here: the rule's \"when\" asks for others")
            }
        }
    }

    /// A combination of values that an earlier override has as well belongs to that one: it matches whenever this one
    /// does, is as specific, and comes first.
    private func checkAgainstEarlier(
        _ override: Override, _ position: SourcePosition, _ seen: inout [[[UInt8]]: SourcePosition]
    ) {
        let room = 2 * Caps.overrideValuesPerRule - seen.count
        guard let combinations = override.valueCombinations(atMost: room) else { return }
        let winners = combinations.compactMap { seen[$0.all] ?? seen[$0.withoutLoneStars] }
        if let winner = winners.first {
            let place = report.place(winner, seenFrom: position)
            if winners.count == combinations.count {
                report.error(
                    at: position,
                    winners.allSatisfy { $0 == winner }
                        ? "this override never applies: the one in \(place) has all of its values"
                        : "this override never applies: earlier ones have all of its values, the first in \(place)")
            } else {
                report.warning(
                    at: position,
                    "\(winners.count) of \(combinations.count) combinations of values never apply here: earlier "
                        + "overrides have them, the first in \(place)")
            }
        }
        for combination in combinations where seen[combination.all] == nil { seen[combination.all] = position }
    }

    /// Warns where an override is for every request that the rule is for.
    private func warnOfUnreachedLimits(_ draft: RuleDraft, _ asked: AskedValues) {
        guard let per = draft.per.map(Set.init) else { return }
        let all = draft.overrides.first { override, _ in
            !override.conditions.isEmpty && asked.meets(override.conditions, per)
        }
        guard let (override, position) = all else { return }
        if override.effect == .exempt, draft.overrides.allSatisfy({ $0.override.effect == .exempt }) {
            report.warning(
                at: position, "this override exempts every request that the rule is for, so the rule never limits any")
        } else {
            report.warning(
                at: position,
                "this override is for every request that the rule is for, so the rule's own limits never apply")
        }
    }
}

/// What a rule's `when` asks for, by dimension.
private struct AskedValues {
    private(set) var indexes: [String: PatternIndex] = [:]
    private var patterns: [String: [Pattern]] = [:]
    /// A longer list is not held against every override, value by value.
    private static let mostCompared = 64

    init(_ when: [Condition]) {
        for condition in when where indexes[condition.dimension] == nil {
            indexes[condition.dimension] = PatternIndex(condition.patterns)
            patterns[condition.dimension] = condition.patterns
        }
    }

    /// Whether every request that carries the dimensions `per` and has what is asked for meets `conditions`.
    func meets(_ conditions: [Condition], _ per: Set<String>) -> Bool {
        conditions.allSatisfy { condition in
            let asked = patterns[condition.dimension]
            let isCarried = asked != nil || per.contains(condition.dimension)
            if isCarried, condition.patterns.contains(where: \.isLoneStar) { return true }
            guard let asked, asked.count <= Self.mostCompared else { return false }
            let index = PatternIndex(condition.patterns)
            return asked.allSatisfy(index.covers)
        }
    }
}

/// One choice of a value for each dimension of an override, as bytes: dimension and value in turn.
private struct ValueCombination {
    var all: [[UInt8]] = []
    /// A lone star makes an override no more specific, so the rest alone matches as well.
    var withoutLoneStars: [[UInt8]] = []

    func adding(_ dimension: String, _ pattern: Pattern) -> ValueCombination {
        let part = [Array(dimension.utf8), Array(pattern.spelling.utf8)]
        return ValueCombination(
            all: all + part, withoutLoneStars: pattern.isLoneStar ? withoutLoneStars : withoutLoneStars + part)
    }
}

extension Override {
    /// Every choice of one pattern for each of its dimensions, the dimensions sorted; nil if there are more than
    /// `limit`.
    fileprivate func valueCombinations(atMost limit: Int) -> [ValueCombination]? {
        var combinations = [ValueCombination()]
        for condition in conditions.sorted(by: { $0.dimension < $1.dimension }) {
            let (count, overflow) = combinations.count.multipliedReportingOverflow(by: condition.patterns.count)
            guard !overflow, count <= limit else { return nil }
            combinations = combinations.flatMap { chosen in
                condition.patterns.map { chosen.adding(condition.dimension, $0) }
            }
        }
        return combinations
    }
}

extension Pattern {
    /// `*`, which any value matches.
    fileprivate var isLoneStar: Bool { isPrefix && text.isEmpty }
}
