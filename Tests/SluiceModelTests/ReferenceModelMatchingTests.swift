import SluiceModel
import SluiceReference
import Testing

/// `when` and overrides: which limits a request meets.
@Suite("Reference model: when and overrides")
struct ReferenceModelMatchingTests {
    /// The maximum that a request meets, or nil where it meets none.
    private func max(_ overrides: [Override], _ entities: ReferenceModel.Dimensions) -> UInt64? {
        var model = ReferenceModel(rules: [.example(limits: [.most(1, in: 1_000)], overrides: overrides)])
        return model.peek("buy", entities, at: 1).tightest?.max
    }

    private func limits(_ max: UInt64) -> Override.Effect { .limits([.most(max, in: 1_000)]) }

    @Test("A rule applies only where every dimension of `when` has one of its values")
    func when() {
        let rule = Rule.example(when: ["market": ["SG", "M*"], "tier": ["new"]], limits: [.most(0, in: 1_000)])
        var model = ReferenceModel(rules: [rule])
        let verdicts = [("SG", "new"), ("MY", "new"), ("M", "new"), ("SGX", "new"), ("SG", "old")].map {
            model.check("buy", ["user": "u1", "market": $0, "tier": $1], at: 1).verdict
        }
        #expect(verdicts == [.deny, .deny, .deny, .allow, .allow])
    }

    @Test("An override takes the place of the rule's limits where all its dimensions match")
    func override() {
        let overrides = [Override.matching(["user": ["vip", "u2"], "tier": ["gold"]], limits(7))]
        #expect(max(overrides, ["user": "vip", "tier": "gold"]) == 7)
        #expect(max(overrides, ["user": "u2", "tier": "gold"]) == 7)
        #expect(max(overrides, ["user": "vip", "tier": "tin"]) == 1)
        #expect(max(overrides, ["user": "vip"]) == 1)
        #expect(max(overrides, ["user": "vip", "tier": ""]) == 1)
    }

    @Test("More exact values win over longer prefixes, those over file order")
    func mostSpecific() {
        let overrides: [Override] = [
            .matching(["user": ["user-of-*"], "tier": ["go*"]], limits(2)),
            .matching(["user": ["user-of-m*"]], limits(3)),
            .matching(["tier": ["gold"]], limits(4)),
            .matching(["tier": ["gold"], "market": ["SG"]], limits(5)),
            .matching(["market": ["SG"], "tier": ["gold"]], limits(6)),
        ]
        // Two prefixes of 10 bytes together against one of 9.
        #expect(max(overrides, ["user": "user-of-max", "tier": "good"]) == 2)
        // A prefix of 9 bytes alone.
        #expect(max(overrides, ["user": "user-of-max", "tier": "tin"]) == 3)
        // One exact value against any prefixes.
        #expect(max(overrides, ["user": "user-of-max", "tier": "gold"]) == 4)
        // Two exact values, twice: the first in the file.
        #expect(max(overrides, ["user": "user-of-max", "tier": "gold", "market": "SG"]) == 5)
    }

    @Test("A longer prefix wins wherever it stands in the file")
    func longerPrefix() {
        let long = Override.matching(["user": ["ab*"]], limits(2))
        let short = Override.matching(["user": ["a*"]], limits(3))
        #expect(max([long, short], ["user": "abc"]) == 2)
        #expect(max([short, long], ["user": "abc"]) == 2)
        #expect(max([short, long], ["user": "acc"]) == 3)
    }

    @Test("Of one dimension's patterns the closest match counts")
    func closestPattern() {
        let both = Override.matching(["user": ["a*", "abc", "ab*"]], limits(2))
        #expect(max([.matching(["user": ["abc*"]], limits(3)), both], ["user": "abc"]) == 2)
        #expect(max([.matching(["user": ["a*"]], limits(3)), both], ["user": "abx"]) == 2)
    }

    @Test("What is exempt is neither judged nor counted")
    func exempt() {
        let rule = Rule.example(
            limits: [.most(0, in: 1_000)],
            counting: .attempts,
            overrides: [.matching(["user": ["test-*"]], .exempt)]
        )
        var model = ReferenceModel(rules: [rule])
        let decision = model.check("buy", ["user": "test-1"], at: 1)
        model.record("buy", ["user": "test-1"], at: 1)

        #expect(decision == .init(verdict: .allow, trips: [], retryAfterMs: nil, tightest: nil))
        #expect(model.used(["user": "test-1"], at: 1).isEmpty)
        model.replace(rules: [.example(limits: [.most(0, in: 1_000)])])
        #expect(model.used(["user": "test-1"], at: 1) == [0])
    }

    @Test("An override outside `per` changes the limits and keeps the counter")
    func overrideOutsideTuple() {
        let rule = Rule.example(
            limits: [.most(3, in: 1_000)],
            overrides: [.matching(["tier": ["new"]], .limits([.most(1, in: 1_000)]))]
        )
        var model = ReferenceModel(rules: [rule])
        #expect(model.check("buy", ["user": "u1", "tier": "old"], at: 1).verdict == .allow)
        #expect(model.check("buy", ["user": "u1", "tier": "new"], at: 2).verdict == .deny)
        #expect(model.check("buy", ["user": "u1"], at: 3).verdict == .allow)
    }

    @Test("Values are compared as bytes")
    func bytes() {
        // The same letter, composed and decomposed.
        let overrides = [Override.matching(["user": ["\u{e9}"]], limits(7))]
        #expect(max(overrides, ["user": "\u{e9}"]) == 7)
        #expect(max(overrides, ["user": "e\u{301}"]) == 1)
    }
}
