import SluiceModel

/// Which rules judge a request, by the matching that the service uses.
struct JudgingRules {
    private let rules: RuleSet
    // Scratch, kept between events.
    private var dimensions = DimensionIndex()
    private var uses: [RuleUse] = []

    private var normalForm: [UInt8] = []

    init(_ rules: [Rule], normalizers: [String: Normalizer] = [:]) {
        self.rules = RuleSet(rules: rules, generation: 1, normalizers: normalizers)
    }

    /// Indices of the rules in file order.
    mutating func judging(_ event: EventLine) -> [Int] {
        event.withView { judging($0) }
    }

    mutating func judging(_ view: RequestView) -> [Int] {
        var scratch = normalForm
        defer { normalForm = scratch }
        return rules.normalizing(view, scratch: &scratch) { match($0) }
    }

    private mutating func match(_ view: RequestView) -> [Int] {
        uses.removeAll(keepingCapacity: true)
        dimensions.fill(view, in: rules)
        rules.match(view, dimensions, into: &uses)
        return uses.lazy.filter(\.judges).map { rules.variants[Int($0.variant)].rule }
    }
}
