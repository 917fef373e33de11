import SluiceModel
import Testing

@Suite("A rule set finds the rules that a request meets")
struct RuleSetMatchingTests {
    private static let cards = Rule(
        name: "cards", check: [Pattern("pay"), Pattern("look")], count: [Pattern("pay"), Pattern("paid")],
        per: ["device"], measure: .distinct(dimension: "card"), limits: [Limit(max: 3, windowMs: 1_000, text: "")])

    @Test(
        "A rule that tells values apart and counts the action needs a value of the dimension; one that judges does not")
    func distinct() {
        let rules = RuleSet(rules: [Self.cards], generation: 1)
        func meets(_ action: String, _ entities: [String: String], _ mode: Mode = .check) -> [RuleUse] {
            ExampleRequest(action, entities, mode).uses(of: rules)
        }
        for mode in [Mode.check, .peek] {
            #expect(meets("pay", ["device": "d1", "card": "c1"], mode).count == 1)
            #expect(meets("pay", ["device": "d1"], mode).isEmpty)
            #expect(meets("pay", ["device": "d1", "card": ""], mode).isEmpty)
            #expect(meets("look", ["device": "d1"], mode).count == 1)
        }
        #expect(meets("paid", ["device": "d1", "card": "c1"], .record).count == 1)
        #expect(meets("paid", ["device": "d1"], .record).isEmpty)
        #expect(meets("pay", ["card": "c1"]).isEmpty)
    }

    @Test("An inspection needs the tuple alone")
    func inspection() {
        let rules = RuleSet(rules: [Self.cards], generation: 1)
        #expect(ExampleRequest("", ["device": "d1"]).inspected(by: rules).count == 1)
        #expect(ExampleRequest("", ["card": "c1"]).inspected(by: rules).isEmpty)
    }

    @Test("A measured dimension has a number, though no rule counts per it")
    func measuredDimension() throws {
        let other = Rule(
            name: "o", check: [Pattern("pay")], per: [], limits: [Limit(max: 3, windowMs: 1_000, text: "")])
        let rules = RuleSet(rules: [other, Self.cards], generation: 1)
        #expect(rules.distinctDimensionOfRule[0] == nil)
        let measured = try #require(rules.distinctDimensionOfRule[1])
        #expect(rules.dimensions[measured] == "card")
    }
}
