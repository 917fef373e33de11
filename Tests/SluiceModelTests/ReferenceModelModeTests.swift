import SluiceModel
import SluiceReference
import Testing

/// Sections "Modes" and "Shadow": which rules advance.
@Suite("Reference model: modes and counting")
struct ReferenceModelModeTests {
    @Test("A check is judged by rules that check the action and advances those that count it")
    func check() {
        var model = ReferenceModel(rules: [
            .example("judges", check: ["login"], count: ["login.failed"], limits: [.most(1, in: 1_000)]),
            .example("counts", check: ["other"], count: ["login"], limits: [.most(1, in: 1_000)]),
        ])
        #expect(model.check("login", at: 1).trips.isEmpty)
        #expect(model.check("login", at: 1).trips.isEmpty)
        #expect(model.used(at: 1) == [0, 2])
        #expect(model.check("other", at: 1).trips.map(\.rule) == ["counts"])
    }

    @Test("A rule that counts what another rule denied does not advance")
    func countsButDoesNotJudge() {
        var model = ReferenceModel(rules: [
            .example("judges", limits: [.most(0, in: 1_000)]),
            .example("counts", check: ["other"], count: ["buy"], limits: [.most(1, in: 1_000)]),
            .example("attempts", check: ["other"], count: ["buy"], limits: [.most(1, in: 1_000)], counting: .attempts),
        ])
        #expect(model.check(at: 1).verdict == .deny)
        #expect(model.used(at: 1) == [0, 0, 1])
    }

    @Test("Actions match whole, or by a prefix with any continuation, even none")
    func actions() {
        var model = ReferenceModel(rules: [.example(check: ["pay", "login*"], limits: [.most(0, in: 1_000)])])
        let verdicts = ["pay", "pay.card", "pa", "login", "login.failed", "logi"].map { model.check($0, at: 1).verdict }
        #expect(verdicts == [.deny, .allow, .allow, .deny, .deny, .allow])
    }

    @Test("A peek is judged as a check would be and writes nothing")
    func peek() {
        var model = ReferenceModel(rules: [.example(limits: [.most(1, in: 1_000)], counting: .attempts)])
        #expect(model.peek(at: 1).verdict == .allow)
        #expect(model.peek(cost: 2, at: 1).verdict == .deny)
        #expect(model.used(at: 1) == [0])
    }

    @Test("A record counts beyond every limit and is judged by none")
    func record() {
        var model = ReferenceModel(rules: [.example(limits: [.most(1, in: 1_000)])])
        for _ in 0..<3 {
            #expect(model.record(at: 1) == .init(verdict: .allow, trips: [], retryAfterMs: nil, tightest: nil))
        }
        #expect(model.used(at: 1) == [3])
    }

    @Test("An old outcome counts at its own time")
    func agedRecord() {
        var model = ReferenceModel(rules: [.example(limits: [.most(9, in: 1_000)])])
        model.record(at: 10_000)
        model.record(ageMs: 600, at: 10_100)
        model.record(ageMs: 600, at: 10_100)

        #expect(model.used(at: 10_500) == [3])
        #expect(model.used(at: 10_501) == [1])
        #expect(model.used(at: 11_001) == [0])
    }

    @Test("An old outcome counts in the windows that still reach it, to the millisecond")
    func agedRecordAtTheEdge() {
        var model = ReferenceModel(rules: [.example(limits: [.most(9, in: 1_000), .most(9, in: 2_000)])])
        model.record(ageMs: 1_001, at: 10_000)
        #expect(model.used(at: 10_000) == [0, 1])
        model.record(ageMs: 1_000, at: 10_000)
        #expect(model.used(at: 10_000) == [1, 2])
        model.record(ageMs: 2_001, at: 10_000)
        model.record(ageMs: 20_000, at: 10_000)
        #expect(model.used(at: 10_000) == [1, 2])
    }

    @Test("A sliced window reaches back to the beginning of its oldest slice")
    func agedRecordInSlices() {
        // s = 100, n = 10: at 10,050 (tick 100) it reaches tick 90, which begins at 9,000.
        var model = ReferenceModel(rules: [.example(limits: [.most(9, in: 1_000)], exactUpTo: 0, slices: 10)])
        model.record(ageMs: 1_051, at: 10_050)
        #expect(model.used(at: 10_050) == [0])
        model.record(ageMs: 1_050, at: 10_050)
        #expect(model.used(at: 10_050) == [1])
        #expect(model.used(at: 10_100) == [0])
    }

    @Test("An old outcome merges away first where a counter holds all the pairs it may")
    func agedRecordBeyondCap() {
        var model = ReferenceModel(rules: [.example(limits: [.most(1, in: 1_000)])])
        model.record(at: 10_000)
        model.record(at: 10_100)
        model.record(ageMs: 500, at: 10_100)
        // (9,600) went into (10,000); what no window reaches goes nowhere.
        model.record(ageMs: 1_001, at: 10_100)
        #expect(model.used(at: 11_000) == [3])
        #expect(model.used(at: 11_001) == [1])
    }

    @Test("Only a record is counted at an age")
    func ageOfACheck() {
        var model = ReferenceModel(rules: [.example(limits: [.most(9, in: 1_000)])])
        _ = model.decide(.init("buy", ["user": "u1"], ageMs: 500), atMs: 10_000)
        #expect(model.used(at: 11_000) == [1])
    }

    @Test("Review and challenge do not stop counting", arguments: [Verdict.review, .challenge])
    func tripsThatCount(verdict: Verdict) {
        var model = ReferenceModel(rules: [.example(limits: [.most(1, in: 1_000, verdict)])])
        #expect(model.verdicts(1, 2, 3) == [.allow, verdict, verdict])
        #expect(model.used(at: 3) == [3])
    }

    @Test("A rule that counts attempts advances on denied checks, whoever denied them")
    func attempts() {
        var model = ReferenceModel(rules: [
            .example("attempts", limits: [.most(1, in: 1_000)], counting: .attempts),
            .example("admitted", limits: [.most(1, in: 1_000)]),
        ])
        #expect(model.verdicts(1, 2, 3) == [.allow, .deny, .deny])
        #expect(model.used(at: 3) == [3, 1])
    }

    @Test("A shadow trip is reported and changes nothing for anyone else")
    func shadow() {
        var model = ReferenceModel(rules: [
            .example("hidden", limits: [.most(1, in: 1_000)], shadow: true),
            .example("real", limits: [.most(9, in: 1_000)]),
        ])
        _ = model.check(at: 1)

        let second = model.check(at: 2)

        #expect(second.verdict == .allow)
        #expect(second.retryAfterMs == nil)
        #expect(second.trips.map(\.shadow) == [true])
        #expect(second.trips.map(\.retryAfterMs) == [1_000])
        // Its own denial stopped its own counting alone.
        #expect(model.used(at: 2) == [1, 2])
    }

    @Test("A shadow rule counts as if it were enforced")
    func shadowCounting() {
        var model = ReferenceModel(rules: [
            .example("review", limits: [.most(1, in: 1_000, .review)], shadow: true),
            .example("attempts", limits: [.most(1, in: 1_000)], counting: .attempts, shadow: true),
            .example("whole", limits: [.most(1, in: 1_000), .most(9, in: 2_000)], shadow: true),
            .example("other", limits: [.most(9, in: 1_000)], shadow: true),
            .example("real", limits: [.most(2, in: 1_000)]),
        ])
        #expect(model.verdicts(1, 2, 3) == [.allow, .allow, .deny])
        #expect(model.used(at: 3) == [2, 3, 1, 1, 2, 2])
    }
}
