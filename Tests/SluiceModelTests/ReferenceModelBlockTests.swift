import SluiceModel
import SluiceReference
import Testing

/// Section "block_for": what a block does while it lasts, and what starts one. Every number is computed by hand.
@Suite("Reference model: blocks")
struct ReferenceModelBlockTests {
    private let user = [(dimension: "user", value: Array("u1".utf8))]

    private func rule(
        _ limits: Limit..., counting: Counting = .admitted, shadow: Bool = false
    ) -> Rule {
        .example(limits: limits, counting: counting, shadow: shadow)
    }

    @Test("A limit that trips keeps its tuple under its verdict for so long, and no other tuple")
    func blocks() {
        var model = ReferenceModel(rules: [rule(.most(2, in: 1_000, blockForMs: [5_000]))])
        #expect(model.verdicts(10_000, 10_001) == [.allow, .allow])

        let first = model.check(at: 10_002)
        // The limit alone would let it pass at 11,001.
        #expect(first.trips.map(\.reason) == [.limit])
        #expect(first.trips.map(\.retryAfterMs) == [5_000])
        #expect(first.retryAfterMs == 5_000)

        let later = model.check(at: 12_000)
        #expect(later.verdict == .deny)
        #expect(later.trips.map(\.reason) == [.blocked])
        #expect(later.trips.map(\.used) == [0])
        #expect(later.retryAfterMs == 15_002 - 12_000)
        #expect(model.check("buy", ["user": "u2"], at: 12_000).verdict == .allow)

        #expect(model.verdicts(15_001, 15_002) == [.deny, .allow])
    }

    @Test("retry_after is the limit's where that is later than the block")
    func limitIsLater() {
        var model = ReferenceModel(rules: [rule(.most(1, in: 10_000, blockForMs: [1_000]))])
        #expect(model.verdicts(20_000) == [.allow])
        #expect(model.check(at: 20_500).retryAfterMs == 30_001 - 20_500)
        // Both at once are told as a block.
        #expect(model.check(at: 21_000).trips.map(\.reason) == [.blocked])
        #expect(model.check(at: 21_500).trips.map(\.reason) == [.limit])
    }

    @Test("A request that can never pass its limit has no retry_after, blocked or not")
    func neverPasses() {
        var model = ReferenceModel(rules: [rule(.most(1, in: 1_000, blockForMs: [5_000]))])
        #expect(model.check(cost: 2, at: 10_000).trips.map(\.retryAfterMs) == [nil])
        let blocked = model.check(cost: 2, at: 12_000)
        #expect(blocked.trips.map(\.reason) == [.blocked])
        #expect(blocked.retryAfterMs == nil)
        #expect(model.check(cost: 1, at: 12_000).retryAfterMs == 3_000)
    }

    @Test("While blocked requests count like any, and further trips neither prolong nor escalate")
    func countsWhileBlocked() {
        let rule = rule(.most(1, in: 1_000, .challenge, blockForMs: [2_000, 9_000]))
        var model = ReferenceModel(rules: [rule])
        #expect(model.verdicts(10_000, 10_100, 10_200) == [.allow, .challenge, .challenge])
        #expect(model.used(at: 10_200) == [3])
        #expect(model.blockedMs(at: 10_200) == [1_900])

        // This one trips no limit, and is counted.
        let blocked = model.check(at: 12_099)
        #expect(blocked.trips.map(\.used) == [0])
        // The block ends first, but then it is still counted.
        #expect(blocked.retryAfterMs == 1_001)

        #expect(model.check(at: 12_100).trips.map(\.reason) == [.limit])
        #expect(model.inspect(user, atMs: 12_100).map(\.blockStep) == [2])
        #expect(model.blockedMs(at: 12_100) == [9_000])
    }

    @Test(
        "A blocked check that is denied advances attempts and nothing else", arguments: [Counting.attempts, .admitted])
    func deniedWhileBlocked(counting: Counting) {
        var model = ReferenceModel(rules: [
            rule(.most(1, in: 1_000, blockForMs: [5_000]), counting: counting),
            .example("other", limits: [.most(9, in: 9_000)]),
        ])
        #expect(model.verdicts(10_000, 10_001, 12_000) == [.allow, .deny, .deny])
        #expect(model.used(at: 12_000) == [counting == .attempts ? 1 : 0, 1])
        #expect(model.blockedMs(at: 12_000) == [3_001, 0])
    }

    @Test("A block holds for every action that the rule checks, and for no other")
    func checkActions() {
        var model = ReferenceModel(rules: [
            .example(
                check: ["login", "reset"], count: ["login.failed"], limits: [.most(1, in: 1_000, blockForMs: [5_000])]),
            .example("other", check: ["buy", "login.failed"], limits: [.most(9, in: 1_000)]),
        ])
        model.record("login.failed", at: 10_000)
        #expect(model.blockedMs(at: 10_000) == [0, 0])
        #expect(model.check("login", at: 10_000).verdict == .deny)

        #expect(model.check("reset", at: 12_000).verdict == .deny)
        #expect(model.check("buy", at: 12_000).verdict == .allow)
        #expect(model.check("login.failed", at: 12_000).verdict == .allow)
    }

    @Test("A peek sees a block and starts none, a record does neither")
    func peekAndRecord() {
        var model = ReferenceModel(rules: [rule(.most(1, in: 1_000, blockForMs: [5_000]))])
        model.record(at: 10_000)
        model.record(at: 10_000)
        #expect(model.peek(at: 10_100).retryAfterMs == 901)
        #expect(model.blockedMs(at: 10_100) == [0])

        #expect(model.check(at: 10_100).retryAfterMs == 5_000)
        #expect(model.peek(at: 12_000).trips.map(\.reason) == [.blocked])
        #expect(model.record(at: 12_000).trips.isEmpty == true)
        #expect(model.used(at: 12_000) == [1])
    }

    @Test("A block starts with the verdict of its own limit, whatever the others say")
    func deniedByOthers() {
        var model = ReferenceModel(rules: [
            .example("closed", limits: [.most(0, in: 1_000)]),
            rule(.most(1, in: 1_000, .review, blockForMs: [5_000])),
        ])
        model.record(at: 10_000)
        #expect(model.check(at: 10_100).verdict == .deny)

        model.replace(rules: [rule(.most(1, in: 1_000, .review, blockForMs: [5_000]))])
        #expect(model.verdicts(12_000, 15_100) == [.review, .allow])
    }

    @Test("A shadow rule starts no block")
    func shadow() {
        var model = ReferenceModel(rules: [rule(.most(1, in: 1_000, blockForMs: [5_000]), shadow: true)])
        _ = model.check(at: 10_000)
        #expect(model.check(at: 10_100).trips.map(\.retryAfterMs) == [901])
        #expect(model.check(at: 11_001).trips.isEmpty == true)
    }

    @Test("The block of a rule that became shadow is a shadow trip, and stops its own counting alone")
    func becameShadow() {
        let limit = Limit.most(1, in: 1_000, blockForMs: [5_000])
        var model = ReferenceModel(rules: [rule(limit), .example("other", limits: [.most(9, in: 9_000)])])
        #expect(model.verdicts(10_000, 10_100) == [.allow, .deny])

        model.replace(rules: [rule(limit, shadow: true), .example("other", limits: [.most(9, in: 9_000)])])
        let decision = model.check(at: 12_000)

        #expect(decision.verdict == .allow)
        #expect(decision.trips.map(\.shadow) == [true])
        #expect(decision.trips.map(\.reason) == [.blocked])
        #expect(model.used(at: 12_000) == [0, 2])
    }

    @Test("Limits with the same window and verdict share a block, which the first of them starts")
    func shared() {
        var model = ReferenceModel(rules: [
            rule(
                .most(1, in: 1_000, blockForMs: [100]), .most(0, in: 1_000, .review, blockForMs: [200, 300]),
                .most(1, in: 1_000, blockForMs: [7_000]), .most(9, in: 1_000))
        ])
        model.record(at: 10_000)

        let trips = model.check(at: 10_950).trips

        // 11,001, or the block; the review can never pass.
        #expect(trips.map(\.retryAfterMs) == [100, nil, 100])
        #expect(model.blockedMs(at: 10_950) == [100, 200, 100, 0])
        #expect(model.inspect(user, atMs: 10_950).map(\.blockStep) == [1, 1, 1, 0])
    }

    @Test("Undo leaves a block, reset and unblock lift it")
    func lifted() {
        let limits: [Limit] = [.most(1, in: 1_000, blockForMs: [9_000]), .most(1, in: 5_000, blockForMs: [9_000])]
        var model = ReferenceModel(rules: [.example(limits: limits, counting: .attempts)])
        _ = model.check(event: "first", at: 10_000)
        _ = model.check(event: "second", at: 10_100)

        #expect(model.undo(event: "second", at: 10_100) == true)
        #expect(model.used(at: 10_100) == [1, 1])
        #expect(model.blockedMs(at: 10_100) == [9_000, 9_000])
        #expect(model.unblock([]) == 0)
        #expect(model.unblock(user) == 2)
        #expect(model.unblock(user) == 0)
        #expect(model.used(at: 10_100) == [1, 1])
        #expect(model.blockedMs(at: 10_100) == [0, 0])

        _ = model.check(at: 10_200)
        // The next one is a first one again.
        #expect(model.inspect(user, atMs: 10_200).map(\.blockStep) == [1, 1])
        #expect(model.reset(user) == 2)
        #expect(model.check(at: 10_300).verdict == .allow)
    }

    @Test("A block goes with the window that is edited, even if that holds nothing, and stays with one still in force")
    func liveChange() {
        var model = ReferenceModel(rules: [rule(.most(1, in: 1_000, blockForMs: [9_000]))])
        _ = model.check(event: "only", at: 10_000)
        _ = model.check(at: 10_100)
        model.undo(event: "only", at: 10_100)
        #expect(model.used(at: 10_100) == [0])

        model.replace(rules: [rule(.most(1, in: 2_000, blockForMs: [9_000]))], atMs: 10_200)
        #expect(model.check(at: 10_300).retryAfterMs == 19_100 - 10_300)
        // Counted in the new window, which begins with that.
        _ = model.check(listing: .init(kind: .allow, dimension: "user"), at: 10_300)

        let both: [Limit] = [.most(1, in: 2_000, blockForMs: [9_000]), .most(1, in: 3_000, blockForMs: [9_000])]
        model.replace(rules: [.example(limits: both)], atMs: 10_400)
        #expect(model.used(at: 10_400) == [1, 1])
        #expect(model.blockedMs(at: 10_400) == [8_700, 0])
    }
}
