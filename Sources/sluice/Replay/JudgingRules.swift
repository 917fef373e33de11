import SluiceModel

/// Which rules judge an event, by the matching that the service uses.
struct JudgingRules {
    private let rules: RuleSet
    // Scratch, kept between events.
    private var dimensions = DimensionIndex()
    private var uses: [RuleUse] = []

    init(_ rules: [Rule]) {
        self.rules = RuleSet(rules: rules, generation: 1)
    }

    /// Indices of the rules in file order.
    mutating func judging(_ event: EventLine) -> [Int] {
        uses.removeAll(keepingCapacity: true)
        event.withView { view in
            dimensions.fill(view, in: rules)
            rules.match(view, dimensions, into: &uses)
        }
        return uses.lazy.filter(\.judges).map { rules.variants[Int($0.variant)].rule }
    }
}
