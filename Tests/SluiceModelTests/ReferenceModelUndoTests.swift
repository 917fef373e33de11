import SluiceModel
import SluiceReference
import Testing

/// Section "event_id": what an undo takes back, and from where. Every number is computed by hand.
@Suite("Reference model: undo")
struct ReferenceModelUndoTests {
    private let user = [(dimension: "user", value: Array("u1".utf8))]

    private func card(_ value: String) -> ReferenceModel.Dimensions { ["user": "u1", "card": value] }

    private func model(_ limits: Limit..., counting: Counting = .admitted, measure: Measure = .count) -> ReferenceModel
    {
        ReferenceModel(rules: [.example(measure: measure, limits: limits, counting: counting)])
    }

    @Test("An event is undone once, in every window, and nobody else's weight with it")
    func once() {
        var model = model(.most(9, in: 1_000), .most(9, in: 2_000))
        _ = model.check(cost: 3, event: "e", at: 10_000)
        _ = model.check(cost: 2, event: "other", at: 10_000)
        #expect(model.undo(event: "e", at: 10_500) == true)
        #expect(model.used(at: 10_500) == [2, 2])
        #expect(model.undo(event: "e", at: 10_500) == false)
        #expect(model.used(at: 10_500) == [2, 2])
    }

    @Test("An undone event stays decided, for another event memory")
    func staysDecided() {
        var model = ReferenceModel(rules: [.example(limits: [.most(9, in: 1_000)])], eventMemoryMs: 2_000)
        _ = model.check(event: "e", at: 10_000)
        model.undo(event: "e", at: 11_500)
        #expect(model.check(event: "e", at: 13_499).duplicate == true)
        #expect(model.check(event: "e", at: 13_500).duplicate == false)
    }

    @Test("A part of the cost, or of the amount, is taken back once")
    func partial() {
        var counts = model(.most(9, in: 1_000))
        _ = counts.check(cost: 3, amount: 50, event: "e", at: 10_000)
        #expect(counts.undo(event: "e", cost: 2, amount: 1, at: 10_000) == true)
        #expect(counts.used(at: 10_000) == [1])
        #expect(counts.undo(event: "e", at: 10_000) == false)
        #expect(counts.used(at: 10_000) == [1])

        var sums = model(.most(99, in: 1_000), measure: .sum)
        _ = sums.check(cost: 3, amount: 50, event: "e", at: 10_000)
        _ = sums.check(cost: 3, amount: 40, event: "all", at: 10_000)
        #expect(sums.undo(event: "e", cost: 2, amount: 20, at: 10_000) == true)
        #expect(sums.used(at: 10_000) == [70])
        #expect(sums.undo(event: "all", cost: 2, amount: 0, at: 10_000) == true)
        #expect(sums.used(at: 10_000) == [30])
    }

    @Test("No more is taken back than the event put there")
    func atMostItsOwn() {
        var model = model(.most(9, in: 1_000))
        _ = model.check(cost: 3, event: "e", at: 10_000)
        _ = model.check(cost: 2, at: 10_000)
        model.undo(event: "e", cost: 5, at: 10_000)
        #expect(model.used(at: 10_000) == [2])
    }

    @Test("What was merged into the first pair is taken from there")
    func afterMerge() {
        var model = model(.most(2, in: 1_000, .review))
        _ = model.check(event: "e", at: 10_000)
        for now: UInt64 in [10_010, 10_020, 10_030] { _ = model.check(at: now) }
        // (10,010 x 2), (10,020), (10,030).
        model.undo(event: "e", at: 10_030)
        #expect([11_010, 11_011, 11_021].map { model.used(at: $0) } == [[3], [2], [1]])
    }

    @Test("What was cut into slices is taken from its slice")
    func afterSlices() {
        let rule: (UInt64) -> Rule = { .example(limits: [.most($0, in: 1_000)], exactUpTo: 4, slices: 10) }
        var model = ReferenceModel(rules: [rule(3)])
        _ = model.check(event: "e", at: 10_010)
        _ = model.check(at: 10_110)
        model.replace(rules: [rule(5)])
        _ = model.check(at: 10_120)
        // (100), (101 x 2), each for (n + 1) * 100 = 1,100 ms from where it begins.
        #expect([11_099, 11_100].map { model.used(at: $0) } == [[3], [2]])
        model.undo(event: "e", at: 10_130)
        #expect([11_099, 11_100, 11_200].map { model.used(at: $0) } == [[2], [2], [0]])
    }

    @Test("What has expired is not taken from what came after it")
    func expired() {
        var model = model(.most(9, in: 1_000))
        _ = model.check(event: "e", at: 10_000)
        _ = model.check(at: 10_500)
        _ = model.check(at: 11_200)
        #expect(model.undo(event: "e", at: 11_200) == true)
        #expect(model.used(at: 11_200) == [2])
    }

    @Test("A counter that has been reset since is another one")
    func afterReset() {
        var model = model(.most(9, in: 1_000))
        _ = model.check(event: "e", at: 10_000)
        model.reset(user)
        _ = model.check(at: 10_000)
        #expect(model.undo(event: "e", at: 10_000) == true)
        #expect(model.used(at: 10_000) == [1])
    }

    @Test("So is one that has been empty")
    func afterEmpty() {
        var model = model(.most(9, in: 1_000))
        _ = model.check(event: "e", at: 20_000)
        _ = model.check(at: 21_001)
        // The clock is set back so far that the younger pair is at the event's own tick.
        _ = model.check(at: 20_000)
        #expect(model.clockSteps == 1)
        model.undo(event: "e", at: 20_000)
        #expect(model.used(at: 20_000) == [2])
    }

    @Test("And one of an edited window")
    func afterEdit() {
        var model = model(.most(9, in: 1_000))
        _ = model.check(event: "e", at: 10_000)
        model.replace(rules: [.example(limits: [.most(9, in: 2_000)])], atMs: 10_100)
        _ = model.check(at: 10_200)
        #expect(model.undo(event: "e", at: 10_200) == true)
        #expect(model.used(at: 10_200) == [2])
    }

    @Test("A refused event takes back its attempt, or nothing")
    func refused() {
        for (counting, used) in [(Counting.attempts, UInt64(2)), (.admitted, 1)] {
            var model = model(.most(1, in: 1_000), counting: counting)
            _ = model.check(at: 10_000)
            #expect(model.check(event: "e", at: 10_100).verdict == .deny)
            #expect(model.used(at: 10_100) == [used])
            #expect(model.undo(event: "e", at: 10_100) == true)
            #expect(model.used(at: 10_100) == [1])
        }
    }

    @Test("An old outcome is taken from where it counted, and a check of the same id along with it")
    func checkAndRecord() {
        var model = model(.most(9, in: 1_000))
        _ = model.check(event: "e", at: 10_000)
        model.record(cost: 3, ageMs: 500, event: "e", at: 10_000)
        _ = model.check(cost: 5, at: 10_000)
        #expect(model.used(at: 10_500) == [9])
        #expect(model.undo(event: "e", at: 10_000) == true)
        #expect(model.used(at: 10_500) == [5])
        #expect(model.undo(event: "e", at: 10_000) == false)
    }

    @Test("A value goes that the event brought, unless it has been seen again")
    func distinct() {
        var model = model(.most(9, in: 1_000), measure: .distinct(dimension: "card"))
        _ = model.check("buy", card("a"), event: "brought", at: 10_000)
        _ = model.check("buy", card("b"), event: "kept", at: 10_000)
        _ = model.check("buy", card("b"), event: "refreshed", at: 10_000)
        #expect(model.used(at: 10_000) == [2])

        #expect(model.undo("buy", card("a"), event: "brought", cost: 5, at: 10_100) == true)
        #expect(model.used(at: 10_100) == [1])
        #expect(model.undo("buy", card("b"), event: "kept", at: 10_100) == true)
        #expect(model.undo("buy", card("b"), event: "refreshed", at: 10_100) == true)
        #expect(model.used(at: 10_100) == [1])
    }

    @Test("An undo steps no clock and lets nothing expire")
    func changesNothingElse() {
        var model = model(.most(9, in: 1_000))
        _ = model.check(event: "e", at: 20_000)
        _ = model.check(cost: 2, at: 20_100)
        model.undo(event: "e", at: 10_000)
        #expect(model.clockSteps == 0)
        #expect(model.used(at: 21_100) == [2])
    }
}
