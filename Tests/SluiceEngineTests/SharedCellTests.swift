import SluiceModel
import SluiceReference
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

@Suite("Requests of one run under different overrides share a counter and keep their own limits")
struct SharedCellTests {
    private static let rule: Rule = {
        var rule = Rule.perUser(max: 70_000, windowMs: 60_000)
        rule.overrides = [
            Override(
                conditions: [Condition(dimension: "tier", patterns: [Pattern("new")])],
                effect: .limits([Limit(max: 2, windowMs: 60_000, verdict: .deny, text: "")]))
        ]
        return rule
    }()

    /// All in one run, whichever comes first.
    @Test(arguments: [["old", "new", "new", "new", "old"], ["new", "old", "new", "old", "new"]])
    func overrides(tiers: [String]) async throws {
        let redis = try RedisServer()
        let engine = try await EngineHarness(redis: redis, rules: [Self.rule])
        let outcomes = try await engine.decide(
            tiers.map { (ReferenceModel.Request("a", ["user": "u", "tier": $0]), 1_000_000) })
        var used = 0
        for (tier, outcome) in zip(tiers, outcomes) {
            let isAllowed = tier == "old" || used < 2
            guard case .response(let response) = outcome else {
                Issue.record("refused")
                continue
            }
            #expect(response.basis == .redis)
            #expect(response.verdict == (isAllowed ? .allow : .deny))
            if isAllowed { used += 1 }
        }
        try await engine.shutDown()
    }
}
