import SluiceModel
import SluiceReference
import TestSupport
import Testing

@testable import SluiceEngine

@Suite("A counter that was empty in between has forgotten what it counted before")
struct CounterLifeTests {
    /// The log is empty when the second event comes, and begins anew in slices: in those the first event's tick would
    /// still count, had it been the same life.
    @Test("Undo takes nothing from a counter that began anew within the script run that had counted its event")
    func withinOneRun() async throws {
        var rule = Rule.perUser(max: 2, windowMs: 8, exactUpTo: 2, slices: 4)
        let more = Limit(max: 4, windowMs: 8, text: "")
        rule.overrides = [
            Override(conditions: [Condition(dimension: "tier", patterns: [Pattern("big")])], effect: .limits([more]))
        ]
        let redis = try RedisServer()
        let engine = try await EngineHarness(redis: redis, rules: [rule])
        var first = ReferenceModel.Request("a", ["user": "u"])
        first.eventID = [1]
        var second = ReferenceModel.Request("a", ["user": "u", "tier": "big"])
        second.eventID = [2]
        _ = try await engine.decide([(first, 1_000_000), (second, 1_000_009)])
        #expect(try await engine.undo(first, atMs: 1_000_009))
        #expect(try await engine.inspect(first.entities, atMs: 1_000_009).map(\.used) == [1])
        try await engine.shutDown()
    }
}
