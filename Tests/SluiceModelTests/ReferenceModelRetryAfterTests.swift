import SluiceModel
import SluiceReference
import Testing

/// Section "retry_after" and the operator's two calls.
@Suite("Reference model: retry_after, inspect and reset")
struct ReferenceModelRetryAfterTests {
    private let user = [(dimension: "user", value: Array("u1".utf8))]

    @Test("As many pairs must go as the request's weight needs")
    func severalPairs() {
        var model = ReferenceModel(rules: [.example(limits: [.most(5, in: 1_000)])])
        _ = model.check(cost: 1, at: 10_000)
        _ = model.check(cost: 2, at: 10_100)
        _ = model.check(cost: 2, at: 10_200)
        let waits = [1, 2, 3, 4, 5].map { model.check(cost: $0, at: 10_300).retryAfterMs }
        #expect(waits == [701, 801, 801, 901, 901])
    }

    @Test("A trip that counts the request counts it in retry_after too")
    func asTheRequestLeavesIt() {
        var model = ReferenceModel(rules: [.example(limits: [.most(2, in: 1_000, .review)])])
        for now: UInt64 in [10_000, 10_100] { _ = model.check(at: now) }
        // A peek leaves two; a check leaves three, of which two must go.
        #expect(model.peek(at: 10_200).retryAfterMs == 10_000 + 1_001 - 10_200)
        #expect(model.check(at: 10_200).retryAfterMs == 10_100 + 1_001 - 10_200)
    }

    @Test("The answer's is the largest among the enforced trips that gave its verdict")
    func ofTheAnswer() {
        let user: [Limit] = [.most(1, in: 1_000), .most(1, in: 3_000), .most(1, in: 9_000, .review)]
        var model = ReferenceModel(rules: [
            .example("user", limits: user),
            .example("hidden", limits: [.most(1, in: 7_000)], shadow: true),
            .example("never", limits: [.most(0, in: 1_000, .challenge)]),
        ])
        model.record(at: 10_000)

        let refused = model.check(at: 10_100)

        #expect(refused.trips.map(\.retryAfterMs) == [901, 2_901, 8_901, 6_901, nil])
        #expect(refused.retryAfterMs == 2_901)
    }

    @Test("The answer has none if one of the trips that gave its verdict can never pass")
    func absent() {
        var model = ReferenceModel(rules: [
            .example("some", limits: [.most(1, in: 1_000)]),
            .example("never", limits: [.most(0, in: 1_000)]),
        ])
        model.record(at: 10_000)
        #expect(model.check(at: 10_100).trips.map(\.retryAfterMs) == [901, nil])
        #expect(model.check(at: 10_100).retryAfterMs == nil)
    }

    @Test("Inspect lists every limit whose tuple the entities contain, and ignores `when`")
    func inspect() {
        var model = ReferenceModel(rules: [
            .example("tuple", per: ["user", "device"], limits: [.most(3, in: 1_000)]),
            .example("user", when: ["market": ["SG"]], limits: [.most(9, in: 1_000, .review), .most(5, in: 2_000)]),
            .example("shop", per: ["merchant"], limits: [.most(3, in: 1_000)]),
            .example("all", per: [], limits: [.most(3, in: 1_000)], shadow: true),
        ])
        _ = model.check("buy", ["user": "u1", "market": "SG", "merchant": "m"], cost: 2, at: 10_000)

        let usages = model.inspect(user, atMs: 10_100)

        let per = [ReferenceModel.Entity(dimension: "user", value: Array("u1".utf8))]
        let windows: [(UInt64, UInt64, Verdict, UInt64)] = [(1_000, 9, .review, 901), (2_000, 5, .deny, 1_901)]
        #expect(
            usages
                == windows.map {
                    .init(
                        rule: "user", per: per, windowMs: $0, max: $1, used: 2, verdict: $2, shadow: false, resetMs: $3)
                } + [
                    .init(
                        rule: "all", per: [], windowMs: 1_000, max: 3, used: 2, verdict: .deny, shadow: true,
                        resetMs: 901)
                ]
        )
    }

    @Test("Reset forgets the counters of exactly that tuple, of all rules or of one")
    func reset() {
        let rules: [Rule] = [
            .example("one", limits: [.most(9, in: 1_000), .most(9, in: 2_000)]),
            .example("two", limits: [.most(9, in: 1_000)]),
            .example("tuple", per: ["user", "device"], limits: [.most(9, in: 1_000)]),
            .example("all", per: [], limits: [.most(9, in: 1_000)]),
        ]
        var model = ReferenceModel(rules: rules)
        let entities: ReferenceModel.Dimensions = ["user": "u1", "device": "d1"]
        _ = model.check("buy", entities, at: 10_000)

        #expect(model.reset([("device", Array("d1".utf8))]) == 0)
        #expect(model.reset(user, rule: "two") == 1)
        #expect(model.used(entities, at: 10_000) == [1, 1, 0, 1, 1])
        #expect(model.reset(user) == 2)
        #expect(model.used(entities, at: 10_000) == [0, 0, 0, 1, 1])
        #expect(model.reset([("device", Array("d1".utf8)), ("user", Array("u1".utf8))]) == 1)
        #expect(model.reset([]) == 1)
        #expect(model.used(entities, at: 10_000) == [0, 0, 0, 0, 0])
        #expect(model.reset(user) == 0)
    }
}
