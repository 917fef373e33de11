import SluiceModel
import SluiceReference
import Testing

/// Section "Limits change live": a changed maximum, and a counter that is to be cut differently.
@Suite("Reference model: live changes")
struct ReferenceModelLiveChangeTests {
    private func rule(max: UInt64, windowMs: UInt64 = 1_000, name: String = "rule") -> Rule {
        .example(name, limits: [.most(max, in: windowMs)], exactUpTo: 4, slices: 10)
    }

    @Test("A changed maximum acts on the next request and resets nothing")
    func changedMax() {
        var model = ReferenceModel(rules: [rule(max: 2)])
        #expect(model.verdicts(10_000, 10_001, 10_002) == [.allow, .allow, .deny])
        model.replace(rules: [rule(max: 3)])
        #expect(model.verdicts(10_003, 10_004) == [.allow, .deny])
        model.replace(rules: [rule(max: 1)])

        let refused = model.check(at: 10_005)

        // Three used of 1: all three must go.
        #expect(refused.trips.map(\.used) == [3])
        #expect(refused.retryAfterMs == 10_003 + 1_001 - 10_005)
    }

    @Test("Counters follow the rule's name and window")
    func identity() {
        var model = ReferenceModel(rules: [rule(max: 2)])
        _ = model.check(at: 10_000)

        model.replace(rules: [rule(max: 2, name: "renamed"), rule(max: 2), rule(max: 2, windowMs: 1_001)])
        #expect(model.used(at: 10_000) == [0, 1, 0])
        model.replace(rules: [])
        #expect(model.check(at: 10_000).verdict == .allow)
        model.replace(rules: [rule(max: 2)])
        #expect(model.used(at: 10_000) == [1])
    }

    @Test("An exact counter that is to be sliced is judged as exact until its next write converts it")
    func exactToSliced() {
        var model = ReferenceModel(rules: [rule(max: 2)])
        for now: UInt64 in [10_010, 10_060] { _ = model.check(at: now) }
        model.replace(rules: [rule(max: 5)])

        // Nothing is written by a refusal, which tells exact times: 10,010 must go.
        #expect(model.check(cost: 4, at: 10_070).retryAfterMs == 10_010 + 1_001 - 10_070)
        #expect(model.used(at: 11_011) == [1])

        // The next write makes it (100 x 3): it empties at (100 + 10 + 1) * 100.
        #expect(model.check(at: 10_070).tightest?.resetMs == 11_100 - 10_070)
        #expect(model.used(at: 11_099) == [3])
        #expect(model.used(at: 11_100) == [0])
    }

    @Test("A converted counter says when to come back as it was left")
    func retryAfterConversion() {
        let review: (UInt64) -> Rule = {
            .example(limits: [.most($0, in: 1_000), .most(1, in: 1_000, .review)], exactUpTo: 4, slices: 10)
        }
        var model = ReferenceModel(rules: [review(4)])
        _ = model.check(at: 10_010)
        model.replace(rules: [review(5)])
        #expect(model.check(at: 10_150).retryAfterMs == (101 + 11) * 100 - 10_150)
    }

    @Test("A sliced counter stays sliced until it is empty")
    func slicedToExact() {
        var model = ReferenceModel(rules: [rule(max: 5)])
        for now: UInt64 in [10_010, 10_060, 10_260] { _ = model.check(at: now) }
        model.replace(rules: [rule(max: 4)])

        // (100 x 2), (102 x 2): the second slice empties at 11,300.
        #expect(model.check(at: 10_270).tightest?.resetMs == 11_300 - 10_270)
        #expect(model.used(at: 11_100) == [2])
        #expect(model.check(at: 11_299).tightest?.resetMs == (112 + 11) * 100 - 11_299)
        #expect(model.used(at: 12_299) == [1])
        #expect(model.check(at: 12_300).tightest?.resetMs == 1_001)
    }

    @Test("A sliced counter keeps its slices when their number changes, and more pairs than max + 1")
    func otherSlices() {
        var model = ReferenceModel(rules: [rule(max: 5)])
        for now: UInt64 in [10_000, 10_100, 10_200, 10_300] { _ = model.check(at: now) }

        model.replace(rules: [.example(limits: [.most(5, in: 1_000)], exactUpTo: 4, slices: 5)])
        #expect(model.check(at: 10_400).tightest?.resetMs == 11_500 - 10_400)

        model.replace(rules: [rule(max: 1)])
        model.record(at: 10_500)
        #expect([11_100, 11_200, 11_300].map { model.used(at: $0) } == [[5], [4], [3]])
    }
}
