import SluiceModel
import Testing

@Suite("An action finds the rules that name it or begin it")
struct ActionPlansTests {
    private static func rule(_ number: Int, _ check: [Pattern], _ count: [Pattern]) -> Rule {
        Rule(
            name: "r\(number)", check: check, count: count, per: [],
            limits: [Limit(max: 1, windowMs: 1_000, text: "\(number)")])
    }

    private static func met(_ rules: RuleSet, _ action: String) -> [String] {
        ExampleRequest(action, [:]).uses(of: rules).map { use in
            let rule = rules.variants[Int(use.variant)].rule
            return "\(rule)\(use.judges ? " judges" : "")\(use.counts ? " counts" : "")"
        }
    }

    @Test("Whatever patterns there are, the rules are found that a look at all of them finds")
    func differential() {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededRandom(state: seed)
        func text(_ least: Int) -> String {
            String((0..<Int.random(in: least...4, using: &random)).map { _ in "ab".randomElement(using: &random)! })
        }
        func patterns() -> [Pattern] {
            (0..<Int.random(in: 1...3, using: &random)).map { _ in
                let isPrefix = Bool.random(using: &random)
                return Pattern(text(isPrefix ? 0 : 1), isPrefix: isPrefix)
            }
        }
        for round in 0..<500 {
            let all = (0..<Int.random(in: 0...6, using: &random)).map { Self.rule($0, patterns(), patterns()) }
            let rules = RuleSet(rules: all, generation: 1)
            for _ in 0..<10 {
                let action = text(1)
                func names(_ patterns: [Pattern]) -> Bool {
                    patterns.contains { $0.isPrefix ? action.hasPrefix($0.text) : $0.text == action }
                }
                let expected = all.enumerated().compactMap { index, rule -> String? in
                    let (judges, counts) = (names(rule.check), names(rule.count))
                    guard judges || counts else { return nil }
                    return "\(index)\(judges ? " judges" : "")\(counts ? " counts" : "")"
                }
                #expect(Self.met(rules, action) == expected, "seed \(seed), round \(round): \(action) of \(all)")
            }
        }
    }

    @Test("A rule of fifty thousand actions is compiled in a moment, also where prefixes begin them")
    func manyActions() {
        let actions = (0..<50_000).map { Pattern("a\($0)") }
        let rules = [
            Self.rule(0, actions, actions), Self.rule(1, [Pattern("a", isPrefix: true)], [Pattern("a1")]),
        ]
        var compiled: RuleSet?
        // Unoptimised, and beside other tests; the square of that many is far beyond.
        let time = ContinuousClock().measure { compiled = RuleSet(rules: rules, generation: 1) }
        #expect(time < .seconds(10))
        #expect(compiled.map { Self.met($0, "a49999") } == ["0 judges counts", "1 judges"])
        #expect(compiled.map { Self.met($0, "a1") } == ["0 judges counts", "1 judges counts"])
        #expect(compiled.map { Self.met($0, "ab") } == ["1 judges"])
    }
}
