import SluiceModel
import SluiceReference
import Testing

/// Section "Distinct". Every number is computed by hand.
@Suite("Reference model: distinct values")
struct ReferenceModelDistinctTests {
    private static let perUser: ReferenceModel.Dimensions = ["user": "u1"]

    private func card(_ value: String) -> ReferenceModel.Dimensions { ["user": "u1", "card": value] }

    private func rule(
        max: UInt64,
        _ verdict: Verdict = .deny,
        windowMs: UInt64 = 1_000,
        counting: Counting = .admitted,
        of dimension: String = "card"
    ) -> Rule {
        .example(
            measure: .distinct(dimension: dimension), limits: [.most(max, in: windowMs, verdict)], counting: counting)
    }

    @Test("A value counts once, from when it was last seen")
    func seenAgain() {
        var model = ReferenceModel(rules: [rule(max: 2)])
        let verdicts = [("a", 10_000), ("b", 10_100), ("a", 10_200)].map {
            model.check("buy", card($0), at: $1).verdict
        }
        #expect(verdicts == [.allow, .allow, .allow])

        let refused = model.check("buy", card("c"), cost: 9, amount: 9, at: 10_300)

        #expect(refused.trips.map(\.used) == [2])
        // The first to go is b, because a was refreshed.
        #expect(refused.retryAfterMs == 10_100 + 1_001 - 10_300)
        #expect([11_100, 11_101, 11_200, 11_201].map { model.used(at: $0) } == [[2], [1], [1], [0]])
    }

    @Test("A denied check neither adds nor refreshes")
    func denied() {
        var model = ReferenceModel(rules: [
            rule(max: 1), .example("closed", per: [], when: ["door": ["shut"]], limits: [.most(0, in: 1_000)]),
        ])
        _ = model.check("buy", card("a"), at: 10_000)
        #expect(model.check("buy", card("b"), at: 10_100).verdict == .deny)
        #expect(model.check("buy", ["user": "u1", "card": "a", "door": "shut"], at: 10_100).verdict == .deny)
        #expect(model.used(at: 11_000).first == 1)
        #expect(model.used(at: 11_001).first == 0)
    }

    @Test("What trips do not stop keeps the latest max + 1 values", arguments: [Counting.attempts, .admitted])
    func bounded(counting: Counting) {
        var model = ReferenceModel(rules: [
            rule(max: 2, counting == .attempts ? .deny : .challenge, counting: counting)
        ])
        let used = [("a", 10_000), ("b", 10_010), ("c", 10_020), ("d", 10_030)].map {
            model.check("buy", card($0), at: $1).trips.map(\.used)
        }
        #expect(used == [[], [], [2], [3]])
        // b, c, d.
        #expect([11_010, 11_011, 11_021, 11_031].map { model.used(at: $0) } == [[3], [2], [1], [0]])
    }

    @Test("A set whose maximum is lowered keeps the latest max + 1 values from its next write on")
    func lowered() {
        var model = ReferenceModel(rules: [rule(max: 4, .review)])
        for value in ["a", "b", "c", "d"] { _ = model.check("buy", card(value), at: 10_000) }
        model.replace(rules: [rule(max: 1, .review)])

        #expect(model.used(at: 10_050) == [4])
        _ = model.check("buy", card("a"), at: 10_100)
        #expect(model.used(at: 10_100) == [2])
        _ = model.check("buy", card("e"), at: 10_200)
        // a and e: of those seen at 10,000 none is left.
        #expect([10_200, 11_001, 11_101].map { model.used(at: $0) } == [[2], [2], [1]])
    }

    @Test("A request comes back when enough values have gone, its own among them or not")
    func retryAfter() {
        var model = ReferenceModel(rules: [rule(max: 1)])
        model.record("buy", card("a"), at: 10_000)
        model.record("buy", card("b"), at: 10_100)

        let waits = ["a", "b", "c"].map { model.check("buy", card($0), at: 10_200).retryAfterMs }

        // At 11,001 a goes: b is then in a set of one, a and c are new to it.
        #expect(waits == [901, 801, 901])
    }

    @Test("Values that were seen at one time go at one time")
    func retryAfterTies() {
        var model = ReferenceModel(rules: [rule(max: 2)])
        for value in ["a", "b", "c"] { model.record("buy", card(value), at: 10_000) }
        let waits = ["a", "d"].map { model.check("buy", card($0), at: 10_200).retryAfterMs }
        #expect(waits == [801, 801])
    }

    @Test("retry_after counts the request where it was counted")
    func retryAfterAsLeft() {
        var model = ReferenceModel(rules: [rule(max: 1, .review)])
        _ = model.check("buy", card("a"), at: 10_000)
        #expect(model.peek("buy", card("b"), at: 10_100).retryAfterMs == 901)
        #expect(model.check("buy", card("b"), at: 10_100).retryAfterMs == 901)
        // Seen now, a goes after b.
        #expect(model.peek("buy", card("a"), at: 10_200).retryAfterMs == 11_101 - 10_200)
        #expect(model.check("buy", card("a"), at: 10_200).retryAfterMs == 11_101 - 10_200)
        #expect(model.peek("buy", card("b"), at: 10_200).retryAfterMs == 11_201 - 10_200)
    }

    @Test("A maximum of 0 always trips and never says when to come back")
    func maxOfZero() {
        var model = ReferenceModel(rules: [rule(max: 0)])
        #expect(model.check("buy", card("a"), at: 10_000).trips.map(\.retryAfterMs) == [nil])
    }

    @Test("An old outcome adds a value at its own time, and never makes one older")
    func agedRecord() {
        var model = ReferenceModel(rules: [rule(max: 9)])
        model.record("buy", card("a"), at: 10_000)
        model.record("buy", card("a"), ageMs: 600, at: 10_100)
        model.record("buy", card("b"), ageMs: 600, at: 10_100)
        model.record("buy", card("c"), ageMs: 1_001, at: 10_100)
        #expect([10_500, 10_501, 11_000, 11_001].map { model.used(at: $0) } == [[2], [1], [1], [0]])
        model.record("buy", card("c"), ageMs: 1_000, at: 10_100)
        #expect([10_100, 10_101].map { model.used(at: $0) } == [[3], [2]])
    }

    @Test("An outcome older than all that a full set holds is gone at once")
    func agedBeyondCap() {
        var model = ReferenceModel(rules: [rule(max: 1)])
        model.record("buy", card("a"), at: 10_000)
        model.record("buy", card("b"), at: 10_010)
        model.record("buy", card("c"), ageMs: 100, at: 10_050)
        #expect([10_951, 11_000, 11_001].map { model.used(at: $0) } == [[2], [2], [1]])
    }

    @Test("A rule that counts needs the value it tells apart, one that only judges does not")
    func missingValue() {
        var model = ReferenceModel(rules: [
            rule(max: 0),
            .example(
                "guard", check: ["login"], count: ["card.added"], measure: .distinct(dimension: "card"),
                limits: [.most(1, in: 1_000)]),
        ])
        #expect(model.check("buy", Self.perUser, at: 10_000).verdict == .allow)
        #expect(model.check("buy", card(""), at: 10_000).verdict == .allow)
        #expect(model.check("buy", card("a"), at: 10_000).verdict == .deny)

        #expect(model.check("login", card("a"), at: 10_000).verdict == .allow)
        model.record("card.added", Self.perUser, at: 10_000)
        model.record("card.added", card("a"), at: 10_000)
        #expect(model.used(Self.perUser, at: 10_000) == [0, 1])
        // Its own value is in the set already, and weighs 1 all the same.
        #expect(model.check("login", card("a"), at: 10_100).retryAfterMs == 901)
        #expect(model.check("login", Self.perUser, at: 10_100).retryAfterMs == 901)
    }

    @Test("A set has milliseconds for ticks, whatever its maximum")
    func alwaysExact() {
        var model = ReferenceModel(rules: [
            .example(
                measure: .distinct(dimension: "card"), limits: [.most(100, in: 1_000)], exactUpTo: 4, slices: 10)
        ])
        let tightest = model.check("buy", card("a"), at: 10_040).tightest
        #expect(tightest == .init(rule: "rule", windowMs: 1_000, max: 100, remaining: 99, resetMs: 1_001))
    }

    @Test("A last value up to a second ahead is the time that is judged at")
    func slightlyBehind() {
        var model = ReferenceModel(rules: [rule(max: 9)])
        _ = model.check("buy", card("a"), at: 11_000)
        _ = model.check("buy", card("b"), at: 10_000)
        #expect([12_000, 12_001].map { model.used(at: $0) } == [[2], [0]])
        #expect(model.clockSteps == 0)
    }

    @Test("Values further ahead move to now when the clock was set back")
    func farBehind() {
        var model = ReferenceModel(rules: [rule(max: 9)])
        for (value, now) in [("a", 9_990), ("b", 10_900), ("c", 11_001)] as [(String, UInt64)] {
            _ = model.check("buy", card(value), at: now)
        }
        // a had gone when c came; b and c, 900 and 1,001 ms ahead, move to 10,000.
        #expect(model.used(at: 10_000) == [2])
        _ = model.check("buy", card("d"), at: 10_000)
        #expect(model.clockSteps == 1)
        #expect([11_000, 11_001].map { model.used(at: $0) } == [[3], [0]])
    }

    @Test("A changed window starts from the values of the old one, another dimension from none")
    func liveChange() {
        var model = ReferenceModel(rules: [rule(max: 9)])
        _ = model.check("buy", card("a"), at: 10_000)
        _ = model.check("buy", card("b"), at: 10_600)

        model.replace(rules: [rule(max: 9, windowMs: 2_000)], atMs: 11_000)
        #expect([12_000, 12_001, 12_601].map { model.used(at: $0) } == [[2], [1], [0]])
        model.replace(rules: [rule(max: 9, windowMs: 500)], atMs: 11_000)
        #expect([11_100, 11_101].map { model.used(at: $0) } == [[1], [0]])
        model.replace(rules: [rule(max: 9, of: "device")], atMs: 11_000)
        #expect(model.used(at: 11_000) == [0])
    }
}
