/// A rule as far as it could be read: nil is what the file does not say, or says wrongly.
struct RuleDraft {
    var name: String?
    var namePosition: SourcePosition?
    var check: [Pattern]?
    var count: [Pattern]?
    var per: [String]?
    var when: [Condition] = []
    var measure: Measure?
    var measurePosition: SourcePosition?
    var limits: [Limit]?
    var limitsPosition: SourcePosition?
    var counting = Counting.admitted
    var shadow = false
    var onRedisFailure: FailurePolicy?
    var exactUpTo: UInt64?
    var slices: Int?
    var overrides: [(override: Override, position: SourcePosition)] = []
    var notes: [Rule.Note] = []

    /// The rule, nil while something required is missing.
    func rule(_ defaults: LimitsReader.Defaults) -> Rule? {
        guard let name, let check, let per, let limits else { return nil }
        return Rule(
            name: name, check: check, count: count, per: per, when: when, measure: measure ?? .count, limits: limits,
            counting: counting, shadow: shadow, onRedisFailure: onRedisFailure ?? defaults.onRedisFailure,
            exactUpTo: exactUpTo ?? defaults.exactUpTo, slices: slices ?? defaults.slices,
            overrides: overrides.map(\.override), notes: notes)
    }

    /// The most limits that one request can meet here.
    var largestLimitCount: Int {
        var largest = limits?.count ?? 0
        for (override, _) in overrides {
            if case .limits(let limits) = override.effect { largest = max(largest, limits.count) }
        }
        return largest
    }
}
