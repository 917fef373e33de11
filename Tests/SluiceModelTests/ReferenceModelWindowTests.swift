import SluiceModel
import SluiceReference
import Testing

/// Section "Windows": what a counter holds and for how long. Every number is computed by hand.
@Suite("Reference model: windows")
struct ReferenceModelWindowTests {
    @Test("An exact log holds an event for its window and the last millisecond of it")
    func exactLog() {
        var model = ReferenceModel(rules: [.example(limits: [.most(2, in: 1_000)])])

        #expect(model.verdicts(10_000, 10_500) == [.allow, .allow])
        let refused = model.check(at: 11_000)

        // The pair at 10,000 counts while t <= 10,000 + 1,000.
        #expect(refused.verdict == .deny)
        #expect(refused.trips.map(\.used) == [2])
        #expect(refused.retryAfterMs == 1)
        #expect(model.verdicts(11_001, 11_002) == [.allow, .deny])
    }

    @Test("The oldest slice counts in full, at most one slice too long")
    func slices() {
        // s = 100, n = 10.
        var model = ReferenceModel(rules: [.example(limits: [.most(2, in: 1_000)], exactUpTo: 0, slices: 10)])

        #expect(model.verdicts(10_000, 10_099) == [.allow, .allow])
        let refused = model.check(at: 11_050)

        // Both lie in tick 100, which counts through tick 110: (100 + 10 + 1) * 100 = 11,100.
        #expect(refused.trips.map(\.used) == [2])
        #expect(refused.retryAfterMs == 50)
        #expect(model.verdicts(11_099, 11_100) == [.deny, .allow])
    }

    @Test("Slice length and slice count are rounded up")
    func roundedUp() {
        // s = ceil(1,005 / 10) = 101, n = ceil(1,005 / 101) = 10; 9,999 = 99 * 101.
        var model = ReferenceModel(rules: [.example(limits: [.most(1, in: 1_005)], exactUpTo: 0, slices: 10)])

        #expect(model.verdicts(9_999) == [.allow])

        // (99 + 10 + 1) * 101 = 11,110.
        #expect(model.check(at: 10_000).retryAfterMs == 1_110)
        #expect(model.verdicts(11_109, 11_110) == [.deny, .allow])
    }

    @Test("A maximum up to exact_up_to is an exact log, one more is sliced")
    func resolutionBoundary() {
        for (max, expected): (UInt64, UInt64) in [(4, 1_001), (5, 1_060)] {
            let rule = Rule.example(limits: [.most(max, in: 1_000)], exactUpTo: 4, slices: 10)
            var model = ReferenceModel(rules: [rule])
            // Sliced: tick 100 empties at 11,100.
            #expect(model.check(at: 10_040).tightest?.resetMs == expected)
        }
    }

    @Test("Limits of one rule with the same window share one counter, cut by the largest maximum")
    func sharedCounter() {
        let limits: [Limit] = [.most(3, in: 1_000, .review), .most(5, in: 1_000), .most(1, in: 2_000, .review)]
        var model = ReferenceModel(rules: [.example(limits: limits, exactUpTo: 4, slices: 10)])

        _ = model.check(cost: 2, at: 10_040)
        let usages = model.inspect([("user", Array("u1".utf8))], atMs: 10_040)

        #expect(usages.map(\.used) == [2, 2, 2])
        #expect(usages.map(\.resetMs) == [1_060, 1_060, 2_001])
        #expect(model.reset([("user", Array("u1".utf8))]) == 2)
    }

    @Test("The largest maximum is the largest of those that apply to the entity")
    func resolutionFollowsOverride() {
        let rule = Rule.example(
            limits: [.most(5, in: 1_000)],
            exactUpTo: 4,
            slices: 10,
            overrides: [.matching(["user": ["small"]], .limits([.most(4, in: 1_000)]))]
        )
        var model = ReferenceModel(rules: [rule])

        #expect(model.check("buy", ["user": "small"], at: 10_040).tightest?.resetMs == 1_001)
        #expect(model.check("buy", ["user": "other"], at: 10_040).tightest?.resetMs == 1_060)
    }

    @Test("A counter that trips do not stop holds max + 1 pairs, and its usage is then an upper bound")
    func capOnPairs() {
        var model = ReferenceModel(rules: [.example(limits: [.most(2, in: 1_000)], counting: .attempts)])

        #expect(model.verdicts(10_000, 10_010, 10_020) == [.allow, .allow, .deny])
        #expect(model.used(at: 10_020) == [3])

        // The fourth merges 10,000 into 10,010: (10,010 x 2), (10,020), (10,030).
        #expect(model.verdicts(10_030) == [.deny])
        #expect(model.used(at: 11_010) == [4])
        #expect(model.used(at: 11_011) == [2])
        #expect(model.used(at: 11_021) == [1])
    }

    @Test("The cap on pairs follows the largest maximum and merges as often as it takes")
    func capAfterLowering() {
        var model = ReferenceModel(rules: [
            .example(limits: [.most(9, in: 1_000, .review), .most(1, in: 1_000, .review)])
        ])
        for now in UInt64(10_000)..<10_006 { _ = model.check(at: now) }
        #expect(model.used(at: 11_001) == [5, 5])

        model.replace(rules: [.example(limits: [.most(1, in: 1_000, .review)])])
        _ = model.check(at: 10_500)

        // Seven pairs became two: (10,005 x 6), (10,500).
        #expect(model.used(at: 11_005) == [7])
        #expect(model.used(at: 11_006) == [1])
    }

    @Test("A maximum of 0 that is only recorded keeps one pair")
    func capOfZero() {
        var model = ReferenceModel(rules: [.example(limits: [.most(0, in: 1_000)])])
        model.record(at: 10_000)
        model.record(at: 10_400)
        #expect(model.used(at: 11_400) == [2])
        #expect(model.used(at: 11_401) == [0])
    }

    @Test("A window with slices of 1 ms holds n + 1 pairs, not max + 1")
    func slicesOfOneMillisecond() {
        var model = ReferenceModel(rules: [
            .example(limits: [.most(1, in: 5)], counting: .attempts, exactUpTo: 0, slices: 10)
        ])
        for now in UInt64(10_000)...10_007 { _ = model.check(at: now) }
        #expect([10_007, 10_008, 10_012].map { model.used(at: $0) } == [[6], [5], [1]])
    }

    @Test("A weight never adds up beyond the largest exact integer")
    func clamped() {
        var model = ReferenceModel(rules: [
            .example(limits: [.most(Caps.exactInteger, in: 1_000)], exactUpTo: Caps.exactInteger)
        ])
        model.record(cost: .max, at: 10_000)
        model.record(cost: .max, at: 10_000)
        model.record(cost: .max, at: 10_001)

        #expect(model.used(at: 10_001) == [Caps.exactInteger])
        // What remains once 10,000 has gone is as much again.
        #expect(model.check(at: 10_001).retryAfterMs == 1_001)
    }
}
