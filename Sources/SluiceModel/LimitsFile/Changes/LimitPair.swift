/// What became of one limit of a rule, or of one of its overrides.
struct LimitPair {
    enum Fate {
        case added(Limit)
        case removed(Limit)
        case changed(Limit, Limit)
    }

    /// What `place` begins with for an override's limits.
    static let overridePlace = "override "

    /// Empty for the rule's own limits, else the override with a colon behind it.
    var place: String
    var limits: Fate

    /// What became of the limits of `old` and of the overrides that both have. Limits that stayed are left out.
    static func all(of old: Rule, and new: Rule) -> [LimitPair] {
        var pairs = Self.all(of: old.limits, and: new.limits, in: "")
        let former = Dictionary(old.overrides.map { ($0.conditions, $0.effect) }) { first, _ in first }
        for override in new.overrides {
            guard case .limits(let after) = override.effect, case .limits(let before)? = former[override.conditions]
            else {
                continue
            }
            pairs += Self.all(of: before, and: after, in: "\(overridePlace)\(Words.conditions(override.conditions)): ")
        }
        return pairs
    }

    /// Pairs limits by what is likeliest to be the same one: equal, then equal but for their blocks, then of one window
    /// and verdict, then of one window, then of one verdict, each in the order written.
    static func all(of old: [Limit], and new: [Limit], in place: String) -> [LimitPair] {
        var before = old.map { Optional($0) }
        var partner = [Limit?](repeating: nil, count: new.count)
        let likeness: [(Limit, Limit) -> Bool] = [
            { $0.isSame(as: $1) },
            { ($0.windowMs, $0.verdict, $0.max) == ($1.windowMs, $1.verdict, $1.max) },
            { ($0.windowMs, $0.verdict) == ($1.windowMs, $1.verdict) },
            { $0.windowMs == $1.windowMs },
            { $0.verdict == $1.verdict },
        ]
        for isLike in likeness {
            for index in new.indices where partner[index] == nil {
                guard let match = before.firstIndex(where: { $0.map { isLike($0, new[index]) } ?? false }) else {
                    continue
                }
                partner[index] = before[match]
                before[match] = nil
            }
        }
        var pairs = zip(new, partner).compactMap { limit, partner -> LimitPair? in
            guard let partner else { return LimitPair(place: place, limits: .added(limit)) }
            if partner.isSame(as: limit) { return nil }
            return LimitPair(place: place, limits: .changed(partner, limit))
        }
        pairs += before.compactMap { $0 }.map { LimitPair(place: place, limits: .removed($0)) }
        return pairs
    }
}

extension Limit {
    /// `20 per 1d`, however it was written.
    var words: String { "\(max) per \(DurationText.spell(ms: windowMs))" }

    /// `20 per 1d deny, blocks for 15m, 2h`.
    var fullWords: String {
        "\(words) \(verdict.name)" + (blockForMs.isEmpty ? "" : ", blocks for \(blockWords)")
    }

    /// The steps of its block, `nothing` if it has none.
    var blockWords: String {
        blockForMs.isEmpty ? "nothing" : blockForMs.map { DurationText.spell(ms: $0) }.joined(separator: ", ")
    }

    /// Whether they differ at most in how they are written.
    fileprivate func isSame(as other: Limit) -> Bool {
        (windowMs, verdict, max) == (other.windowMs, other.verdict, other.max) && blockForMs == other.blockForMs
    }
}

/// Parts of sentences about rules.
enum Words {
    /// Up to so many of a list are named.
    private static let mostNamed = 4

    static func list(_ names: [String]) -> String {
        guard names.count > mostNamed else { return names.joined(separator: ", ") }
        return names.prefix(mostNamed).joined(separator: ", ") + " and \(names.count - mostNamed) more"
    }

    static func patterns(_ patterns: [Pattern]) -> String {
        list(patterns.map { quotedIfOdd($0.spelling) })
    }

    static func conditions(_ conditions: [Condition]) -> String {
        conditions.map { "\($0.dimension)=\(patterns($0.patterns))" }.joined(separator: " and ")
    }

    /// Hundredths as `10x` or `1.5x`.
    static func factor(_ hundredths: UInt64) -> String {
        let rest = hundredths % 100
        if rest == 0 { return "\(hundredths / 100)x" }
        return "\(hundredths / 100)." + (rest % 10 == 0 ? "\(rest / 10)" : rest < 10 ? "0\(rest)" : "\(rest)") + "x"
    }

    private static func quotedIfOdd(_ text: String) -> String {
        let isPlain = !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
        return isPlain ? text : quoted(text)
    }
}
