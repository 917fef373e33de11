import Testing

@testable import SluiceModel

@Suite("A request finds its override among ten thousand")
struct OverrideTableTests {
    private static func rule(_ overrides: [Override]) -> Rule {
        Rule(
            name: "r", check: [Pattern("pay")], per: [], limits: [Limit(max: 1, windowMs: 1_000, text: "own")],
            overrides: overrides)
    }

    private static func override(_ number: Int, _ conditions: [(String, [String])]) -> Override {
        Override(
            conditions: conditions.map { Condition(dimension: $0, patterns: $1.map { Pattern(spelled: $0) }) },
            effect: .limits([Limit(max: UInt64(number), windowMs: 1_000, text: "\(number)")]))
    }

    /// The text of the limit that applies; nil if the request is exempt.
    private static func applied(_ rules: RuleSet, _ entities: [String: String]) -> String? {
        ExampleRequest("pay", entities).uses(of: rules).first.map { rules.variants[Int($0.variant)].limits[0].text }
    }

    @Test("More exact values win, then longer prefixes, then the order of the file")
    func specificity() {
        let rules = RuleSet(
            rules: [
                Self.rule([
                    Self.override(0, [("merchant", ["m-*"])]),
                    Self.override(1, [("merchant", ["m-t*", "m-test-*"])]),
                    Self.override(2, [("tier", ["new"]), ("market", ["SG", "MY"])]),
                    Self.override(3, [("tier", ["new", "old"])]),
                    Override(
                        conditions: [Condition(dimension: "tier", patterns: [Pattern("gone")])], effect: .exempt),
                    Self.override(5, [("market", ["SG"])]),
                    Self.override(6, [("merchant", ["m-te*"]), ("market", ["*"])]),
                ])
            ], generation: 1)
        #expect(Self.applied(rules, [:]) == "own")
        #expect(Self.applied(rules, ["merchant": "n"]) == "own")
        #expect(Self.applied(rules, ["merchant": "m-"]) == "0")
        #expect(Self.applied(rules, ["merchant": "m-test-1"]) == "1")
        #expect(Self.applied(rules, ["merchant": "m-test", "market": "X"]) == "6")
        #expect(Self.applied(rules, ["merchant": "m-test-1", "market": "X"]) == "1")
        #expect(Self.applied(rules, ["merchant": "m-test-1", "tier": "old"]) == "3")
        #expect(Self.applied(rules, ["market": "SG", "tier": "old"]) == "3")
        #expect(Self.applied(rules, ["market": "SG", "tier": "new"]) == "2")
        #expect(Self.applied(rules, ["market": "SG", "tier": "gone"]) == nil)
    }

    @Test("Whatever overrides there are, the one is found that a look at all of them finds")
    func differential() {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededRandom(state: seed)
        let dimensions = ["a", "b", "c"]
        func value() -> String {
            String((0..<Int.random(in: 1...3, using: &random)).map { _ in "xyz".randomElement(using: &random)! })
        }
        func pattern() -> Pattern {
            let isPrefix = Int.random(in: 0..<3, using: &random) == 0
            return Pattern(isPrefix && Bool.random(using: &random) ? "" : value(), isPrefix: isPrefix)
        }
        for round in 0..<300 {
            let overrides = (0..<Int.random(in: 0...30, using: &random)).map { number in
                let named = dimensions.shuffled(using: &random).prefix(Int.random(in: 1...3, using: &random))
                let conditions = named.map { dimension in
                    Condition(
                        dimension: dimension,
                        patterns: (0..<Int.random(in: 1...3, using: &random)).map { _ in pattern() })
                }
                let limit = Limit(max: 1, windowMs: 1_000, text: "\(number)")
                let isExempt = Int.random(in: 0..<5, using: &random) == 0
                return Override(conditions: conditions, effect: isExempt ? .exempt : .limits([limit]))
            }
            let rules = RuleSet(rules: [Self.rule(overrides)], generation: 1)
            for _ in 0..<20 {
                var entities: [String: String] = [:]
                for dimension in dimensions where Bool.random(using: &random) { entities[dimension] = value() }
                #expect(
                    Self.applied(rules, entities) == Self.naive(overrides, entities),
                    "seed \(seed), round \(round): \(entities) among \(overrides)")
            }
        }
    }

    /// A look at every override.
    private static func naive(_ overrides: [Override], _ entities: [String: String]) -> String? {
        var best: (override: Override, exact: Int, prefix: Int)?
        for override in overrides {
            let matches = override.conditions.map { condition -> (exact: Int, prefix: Int)? in
                guard let value = entities[condition.dimension] else { return nil }
                if condition.patterns.contains(Pattern(value)) { return (1, 0) }
                let prefixes = condition.patterns.filter { $0.isPrefix && value.utf8.starts(with: $0.text.utf8) }
                return prefixes.map(\.text.utf8.count).max().map { (0, $0) }
            }
            guard matches.allSatisfy({ $0 != nil }) else { continue }
            let exact = matches.reduce(0) { $0 + $1!.exact }
            let prefix = matches.reduce(0) { $0 + $1!.prefix }
            if let best, (best.exact, best.prefix) >= (exact, prefix) { continue }
            best = (override, exact, prefix)
        }
        guard let best else { return "own" }
        guard case .limits(let limits) = best.override.effect else { return nil }
        return limits[0].text
    }

    @Test(
        "The overrides looked at are as many among ten thousand as among ten",
        arguments: [
            // Values of one dimension; one value that all share; prefixes; two that share in turns.
            { (n: Int) in [("user", ["u\(n)"])] },
            { (n: Int) in [("market", ["SG"]), ("user", ["u\(n)"])] },
            { (n: Int) in [("user", ["u*"]), ("merchant", ["u\(n)-*"])] },
            { (n: Int) in
                n % 2 == 0 ? [("user", ["u2"]), ("merchant", ["u\(n)"])] : [("merchant", ["u2"]), ("user", ["u\(n)"])]
            },
        ] as [@Sendable (Int) -> [(String, [String])]])
    func constantWork(_ conditions: @Sendable (Int) -> [(String, [String])]) {
        func candidates(among count: Int) -> Int {
            let overrides = (0..<count).map { (Self.override($0, conditions($0)).conditions, Int?.none) }
            let numbers = ["user": 0, "market": 1, "merchant": 2]
            // As the rule set below numbers them for the request.
            let table = OverrideTable(overrides) { numbers[$0]! }
            let rules = RuleSet(
                rules: [
                    Rule(name: "n", check: [Pattern("pay")], per: ["user", "market", "merchant"], limits: [])
                ], generation: 1)
            #expect(rules.dimensions == ["user", "market", "merchant"])
            return ExampleRequest("pay", ["user": "u2", "market": "SG", "merchant": "u2-1"]).withView { view in
                var index = DimensionIndex()
                index.fill(view, in: rules)
                var looked = 0
                table.forEachCandidate(of: view, index) { _ in looked += 1 }
                return looked
            }
        }
        let few = candidates(among: 10)
        #expect(few <= 2)
        #expect(candidates(among: 10_000) == few)
    }

    @Test("One override of ten thousand prefixes costs a look-up for each of their lengths")
    func manyPrefixes() {
        let values = (0..<9_999).map { "m-\($0)-*" }
        let many = RuleSet(rules: [Self.rule([Self.override(1, [("merchant", values)])])], generation: 1)
        let few = RuleSet(rules: [Self.rule([Self.override(1, [("merchant", ["m-9-*"])])])], generation: 1)
        #expect(Self.applied(many, ["merchant": "m-9998-x"]) == "1")
        func time(_ rules: RuleSet) -> Duration {
            let request = ExampleRequest("pay", ["merchant": "n-9998-x"])
            return (0..<5).map { _ in
                ContinuousClock().measure {
                    for _ in 0..<200 { #expect(request.uses(of: rules).count == 1) }
                }
            }.min()!
        }
        let base = time(few)
        #expect(time(many) < base * 20)
    }
}
