import SluiceModel
import SluiceReference
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

@Suite("Rules change under load", .timeLimit(.minutes(1)))
struct LiveChangeTests {
    /// Rules that say in each limit's text which generation they are of; every one trips.
    private static func rules(_ generation: UInt64) -> [Rule] {
        let limit = Limit(max: 0, windowMs: 60_000, verdict: .review, text: "g\(generation)")
        let marks = (0...generation % 5).map {
            Rule(name: "mark\($0)", check: [Pattern("a")], per: ["user"], limits: [limit])
        }
        let total = Limit(max: 1_000_000, windowMs: 3_600_000, text: "g\(generation)")
        let counter = Rule(name: "total", check: [Pattern("a")], per: ["user"], limits: [total])
        return generation.isMultiple(of: 2) ? [counter] + marks : marks + [counter]
    }

    @Test("Every decision is of one generation, its own; counters are kept")
    func underLoad() async throws {
        let redis = try RedisServer()
        let engine = try await EngineHarness(
            redis: redis, rules: Self.rules(1), settings: EngineHarness.settings(clock: .redis))
        var seen: Set<UInt64> = []
        var asked: UInt64 = 0
        for generation in 2...60 as ClosedRange<UInt64> {
            async let outcomes = engine.decide((0..<150).map { _ in (.init("a", ["user": "u"]), nil) })
            try await engine.replace(rules: Self.rules(generation), generation: generation)
            for outcome in try await outcomes {
                guard case .response(let response) = outcome else {
                    Issue.record("\(outcome)")
                    return
                }
                asked += 1
                seen.insert(response.generation)
                let texts = Set(response.trips.map(\.limit))
                #expect(texts == ["g\(response.generation)"])
                #expect(response.trips.count == Int(response.generation % 5) + 1)
                #expect(response.tightest.limit == "g\(response.generation)")
                #expect(response.verdict == .review)
            }
        }
        #expect(seen.count > 30)
        let usage = try await engine.inspect([("user", Array("u".utf8))], atMs: nil).first { $0.rule == "total" }
        #expect(usage?.used == asked)
        // Trips are counted for the rules that made them, whatever is in force when the answer comes.
        let trips = try await engine.run { $0.metrics.series(in: $0.rules.set) }
        #expect(trips.trips(of: "mark0") == asked)
        #expect(trips.trips(of: "total") == 0)
        try await engine.shutDown()
    }
}
