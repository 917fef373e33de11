import SluiceModel
import SluiceReference
import Testing

/// Sections "Judging" and "Windows" of rules that add up amounts. Every number is computed by hand.
@Suite("Reference model: sums")
struct ReferenceModelSumTests {
    private func rule(max: UInt64, _ verdict: Verdict = .deny, exactUpTo: UInt64 = 64, slices: Int = 60) -> Rule {
        .example(measure: .sum, limits: [.most(max, in: 1_000, verdict)], exactUpTo: exactUpTo, slices: slices)
    }

    @Test("A sum adds up amounts, whatever the cost")
    func amounts() {
        var model = ReferenceModel(rules: [rule(max: 60)])
        #expect(model.check(cost: 61, amount: 40, at: 10_000).verdict == .allow)

        let refused = model.check(amount: 21, at: 10_100)

        #expect(refused.verdict == .deny)
        #expect(refused.trips.map(\.used) == [40])
        #expect(refused.retryAfterMs == 10_000 + 1_001 - 10_100)
        #expect(refused.tightest?.remaining == 20)
        #expect(model.check(amount: 20, at: 10_100).tightest?.remaining == 0)
        #expect(model.used(at: 11_000) == [60])
        #expect(model.used(at: 11_001) == [20])
    }

    @Test("An amount beyond the maximum never says when to come back")
    func neverPasses() {
        var model = ReferenceModel(rules: [rule(max: 60)])
        #expect(model.check(amount: 61, at: 10_000).trips.map(\.retryAfterMs) == [nil])
    }

    @Test("An amount of 0 passes unless more than the maximum is used, or it is 0")
    func amountOfZero() {
        var model = ReferenceModel(rules: [rule(max: 2)])
        model.record(amount: 2, at: 10_000)
        #expect(model.check(amount: 0, at: 10_100).verdict == .allow)
        model.record(amount: 1, at: 10_200)
        // Once the two of 10,000 have gone, one is within the maximum.
        #expect(model.check(amount: 0, at: 10_300).retryAfterMs == 11_001 - 10_300)

        var closed = ReferenceModel(rules: [rule(max: 0)])
        #expect(closed.check(amount: 0, at: 10_000).trips.map(\.retryAfterMs) == [nil])
    }

    @Test("An amount of 0 adds no pair, converts nothing and keeps no clock step of a record")
    func zeroWritesNothing() {
        var model = ReferenceModel(rules: [rule(max: 2)])
        model.record(amount: 2, at: 10_010)
        model.replace(rules: [rule(max: 5, exactUpTo: 4, slices: 10)])

        #expect(model.check(amount: 0, at: 10_070).tightest?.resetMs == 10_010 + 1_001 - 10_070)
        model.record(amount: 0, at: 5_000)
        #expect(model.clockSteps == 0)
        #expect(model.used(at: 11_010) == [2])
        // The first amount that is one makes slices of 100 ms: tick 100 empties at 11,100.
        #expect(model.check(amount: 1, at: 10_070).tightest?.resetMs == 11_100 - 10_070)
    }

    @Test("A rule that does not count what it judges judges with 1")
    func countsSomethingElse() {
        var model = ReferenceModel(rules: [
            .example(check: ["buy"], count: ["paid"], measure: .sum, limits: [.most(50, in: 1_000)])
        ])
        model.record("paid", amount: 49, at: 10_000)
        #expect(model.check(amount: 900, at: 10_000).verdict == .allow)
        model.record("paid", amount: 1, at: 10_100)
        #expect(model.check(amount: 900, at: 10_200).retryAfterMs == 11_001 - 10_200)
    }

    @Test("Resolution and the cap on pairs follow the maximum, as those of counts do")
    func resolution() {
        var exact = ReferenceModel(rules: [rule(max: 2, .review)])
        for now: UInt64 in [10_000, 10_010, 10_020, 10_030] { _ = exact.check(amount: 5, at: now) }
        // (10,010 x 10), (10,020), (10,030).
        #expect([11_010, 11_011, 11_021].map { exact.used(at: $0) } == [[20], [10], [5]])

        var sliced = ReferenceModel(rules: [rule(max: 500, slices: 10)])
        #expect(sliced.check(amount: 5, at: 10_040).tightest?.resetMs == 11_100 - 10_040)
    }

    @Test("Amounts never add up beyond the largest exact integer")
    func clamped() {
        var model = ReferenceModel(rules: [rule(max: Caps.exactInteger, .review)])
        model.record(amount: Caps.exactInteger, at: 10_000)
        model.record(amount: Caps.exactInteger, at: 10_000)
        #expect(model.used(at: 10_000) == [Caps.exactInteger])
    }

    @Test("A counter of another measure is empty, and gone once something else is counted in its place")
    func otherMeasure() {
        let (count, sum) = (Rule.example(limits: [.most(60, in: 1_000)]), rule(max: 60))
        var model = ReferenceModel(rules: [count])
        _ = model.check(cost: 3, at: 10_000)

        model.replace(rules: [sum])
        #expect(model.used(at: 10_000) == [0])
        model.replace(rules: [count])
        #expect(model.used(at: 10_000) == [3])

        model.replace(rules: [sum])
        _ = model.check(amount: 7, at: 10_000)
        #expect(model.used(at: 10_000) == [7])
        model.replace(rules: [count])
        #expect(model.used(at: 10_000) == [0])
    }
}
