import SluiceModel
import SluiceReference
import Testing

/// Sections "Judging", "All rules are judged", "Missing dimension", and the headroom of an answer.
@Suite("Reference model: judging")
struct ReferenceModelJudgingTests {
    @Test("A limit trips when weight > max - used, the request included")
    func weight() {
        var model = ReferenceModel(rules: [.example(limits: [.most(5, in: 1_000)])])

        #expect(model.check(cost: 3, at: 10_000).verdict == .allow)
        #expect(model.check(cost: 3, at: 10_001).verdict == .deny)
        #expect(model.check(cost: 2, at: 10_002).verdict == .allow)
        #expect(model.check(cost: 1, at: 10_003).verdict == .deny)
    }

    @Test("A cost of 0 means 1")
    func costOfZero() {
        var model = ReferenceModel(rules: [.example(limits: [.most(5, in: 1_000)])])
        _ = model.check(cost: 0, at: 10_000)
        #expect(model.used(at: 10_000) == [1])
    }

    @Test("Usage beyond a maximum trips and does not wrap")
    func beyondMax() {
        var model = ReferenceModel(rules: [.example(limits: [.most(5, in: 1_000)])])
        model.record(cost: 9, at: 10_000)

        let refused = model.check(at: 10_001)

        #expect(refused.trips.map(\.used) == [9])
        #expect(refused.tightest?.remaining == 0)
    }

    @Test("A maximum of 0 always trips and never says when to come back")
    func maxOfZero() {
        var model = ReferenceModel(rules: [.example(limits: [.most(0, in: 1_000)])])

        let refused = model.check(at: 10_000)

        #expect(refused.verdict == .deny)
        #expect(refused.trips.map(\.retryAfterMs) == [nil])
        #expect(refused.retryAfterMs == nil)
        #expect(refused.tightest == .init(rule: "rule", windowMs: 1_000, max: 0, remaining: 0, resetMs: 0))
    }

    @Test("A weight beyond the maximum never says when to come back")
    func neverPasses() {
        var model = ReferenceModel(rules: [.example(limits: [.most(5, in: 1_000)])])
        #expect(model.check(cost: 5, at: 10_000).verdict == .allow)
        #expect(model.check(cost: 6, at: 10_000).trips.map(\.retryAfterMs) == [nil])
        #expect(model.check(cost: 5, at: 10_000).trips.map(\.retryAfterMs) == [1_001])
    }

    @Test("A rule that does not count what it judges judges with weight 1")
    func countsSomethingElse() {
        let rule = Rule.example(check: ["login"], count: ["login.failed"], limits: [.most(2, in: 1_000)])
        var model = ReferenceModel(rules: [rule])

        #expect(model.check("login", cost: 50, at: 10_000).verdict == .allow)
        #expect(model.used(at: 10_000) == [0])
        model.record("login.failed", at: 10_001)
        #expect(model.check("login", cost: 50, at: 10_002).verdict == .allow)
        model.record("login.failed", at: 10_003)

        let refused = model.check("login", cost: 50, at: 10_004)
        #expect(refused.trips.map(\.used) == [2])
        #expect(refused.retryAfterMs == 10_001 + 1_001 - 10_004)
    }

    @Test("One denial keeps every rule that counts admitted requests from advancing")
    func atomic() {
        var model = ReferenceModel(rules: [
            .example("wide", limits: [.most(9, in: 1_000)]),
            .example("narrow", limits: [.most(9, in: 1_000), .most(1, in: 500)]),
        ])
        #expect(model.verdicts(10_000, 10_001) == [.allow, .deny])
        #expect(model.used(at: 10_001) == [1, 1, 1])
    }

    @Test("All rules are judged, trips come in file order and limits in their rule's order")
    func order() {
        var model = ReferenceModel(rules: [
            .example("b", limits: [.most(1, in: 3_000, .review), .most(0, in: 1_000, .challenge)]),
            .example("silent", limits: [.most(9, in: 1_000)]),
            .example("a", limits: [.most(0, in: 2_000), .most(1, in: 1_000, .review)]),
        ])
        model.record(at: 10_000)

        let refused = model.check(at: 10_001)

        #expect(refused.trips.map(\.rule) == ["b", "b", "a", "a"])
        #expect(refused.trips.map(\.windowMs) == [3_000, 1_000, 2_000, 1_000])
        #expect(refused.trips.map(\.verdict) == [.review, .challenge, .deny, .review])
    }

    @Test("The worst enforced verdict wins", arguments: [Verdict.review, .challenge, .deny])
    func ladder(worst: Verdict) {
        let limits = [Verdict.review, .challenge, .deny].filter { $0 <= worst }.map { Limit.most(1, in: 1_000, $0) }
        var model = ReferenceModel(rules: limits.enumerated().map { .example("r\($0)", limits: [$1]) })
        #expect(model.verdicts(10_000, 10_001) == [.allow, worst])
    }

    @Test("A rule applies only where every dimension it needs is there and not empty")
    func missingDimension() {
        var model = ReferenceModel(rules: [
            .example(per: ["user", "device"], when: ["market": ["SG"]], limits: [.most(0, in: 1_000)])
        ])
        #expect(model.check("buy", ["user": "u", "device": "d", "market": "SG"], at: 1).verdict == .deny)
        #expect(model.check("buy", ["user": "u", "market": "SG"], at: 1).verdict == .allow)
        #expect(model.check("buy", ["user": "u", "device": "", "market": "SG"], at: 1).verdict == .allow)
        #expect(model.check("buy", ["user": "u", "device": "d"], at: 1).verdict == .allow)
        #expect(model.check("buy", ["user": "u", "device": "d", "market": ""], at: 1).verdict == .allow)
    }

    @Test("A tuple counts by all of its values, and an empty one counts everything together")
    func tuples() {
        var model = ReferenceModel(rules: [
            .example("pair", per: ["user", "device"], limits: [.most(9, in: 1_000)]),
            .example("all", per: [], limits: [.most(99, in: 1_000)]),
        ])
        _ = model.check("buy", ["user": "u", "device": "d"], at: 1)
        _ = model.check("buy", ["device": "d", "user": "u"], at: 1)
        _ = model.check("buy", ["user": "d", "device": "u"], at: 1)
        _ = model.check("buy", ["user": "u"], at: 1)

        #expect(model.used(["user": "u", "device": "d"], at: 1) == [2, 4])
        #expect(model.used([:], at: 1) == [4])
    }

    @Test("The tightest limit is the enforced one with the least remaining / max after the request")
    func tightest() {
        var model = ReferenceModel(rules: [
            .example("hidden", limits: [.most(2, in: 1_000)], shadow: true),
            .example("third", limits: [.most(3, in: 1_000)]),
            .example("sixth", limits: [.most(12, in: 1_000), .most(6, in: 2_000)]),
        ])

        // After it: 2 of 3, 11 of 12, 5 of 6.
        #expect(
            model.check(at: 10_000).tightest
                == .init(rule: "third", windowMs: 1_000, max: 3, remaining: 2, resetMs: 1_001)
        )
        // A peek of something else counts nothing: 2 of 3 again, 1 ms later.
        #expect(model.peek(at: 10_001).tightest?.resetMs == 1_000)
        #expect(model.record(at: 10_001).tightest == nil)
        #expect(model.check("other", at: 10_001).tightest == nil)
    }

    @Test("Of equally tight limits the first is named")
    func tightestTie() {
        var model = ReferenceModel(rules: [
            .example("a", limits: [.most(4, in: 1_000), .most(2, in: 2_000), .most(8, in: 500)]),
            .example("b", limits: [.most(6, in: 1_000)]),
        ])
        // A refusal counts nothing, so all are as the record left them: 2 of 4, 0 of 2, 6 of 8, 4 of 6.
        model.record(cost: 2, at: 10_000)
        #expect(model.check(at: 10_000).tightest?.windowMs == 2_000)

        var equal = ReferenceModel(rules: [
            .example("b", limits: [.most(4, in: 1_000)]), .example("a", limits: [.most(4, in: 2_000)]),
        ])
        #expect(equal.check(at: 10_000).tightest?.rule == "b")
    }
}
