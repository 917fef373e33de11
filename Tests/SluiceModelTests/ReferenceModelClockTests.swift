import SluiceModel
import SluiceReference
import Testing

/// Section "Time": a clock that runs back, a little or far.
@Suite("Reference model: clock")
struct ReferenceModelClockTests {
    @Test("A last pair up to a second ahead is the time that is judged at, and where new weight goes")
    func slightlyBehind() {
        var model = ReferenceModel(rules: [.example(limits: [.most(3, in: 5_000)])])
        _ = model.check(at: 101_000)

        let second = model.check(at: 100_000)

        // Both are at 101,000 now, and times are told from the request's now.
        #expect(second.tightest?.remaining == 1)
        #expect(second.tightest?.resetMs == 6_001)
        #expect(model.used(at: 106_000) == [2])
        #expect(model.used(at: 106_001) == [0])
        #expect(model.clockSteps == 0)
    }

    @Test("A last pair further ahead is a clock step: the pairs ahead move to now")
    func farBehind() {
        var model = ReferenceModel(rules: [.example(limits: [.most(3, in: 5_000)])])
        for now: UInt64 in [99_999, 100_900, 101_001] { _ = model.check(at: now) }

        let refused = model.check(at: 100_000)

        // (99,999) stays, the other two are one pair at 100,000.
        #expect(refused.verdict == .deny)
        #expect(refused.retryAfterMs == 99_999 + 5_001 - 100_000)
        #expect(model.clockSteps == 1)
        #expect(model.used(at: 104_999) == [3])
        #expect(model.used(at: 105_000) == [2])
        #expect(model.used(at: 105_001) == [0])
        // Told once.
        _ = model.check(at: 100_000)
        #expect(model.clockSteps == 1)
    }

    @Test("A long slice may lie ahead by its own length")
    func oneTickAhead() {
        // s = 10,000, n = 6.
        let rule = Rule.example(limits: [.most(3, in: 60_000)], exactUpTo: 0, slices: 6)
        var near = ReferenceModel(rules: [rule])
        _ = near.check(at: 115_000)
        // Tick 11 begins at 110,000, 10,000 ahead: judged there.
        #expect(near.check(at: 100_000).tightest?.resetMs == 180_000 - 100_000)
        #expect(near.clockSteps == 0)

        var far = ReferenceModel(rules: [rule])
        _ = far.check(at: 115_000)
        // 10,001 ahead: moved to tick 9.
        #expect(far.check(at: 99_999).tightest?.resetMs == 160_000 - 99_999)
        #expect(far.clockSteps == 1)
    }

    @Test("Every counter has its own time")
    func perCounter() {
        var model = ReferenceModel(rules: [
            .example("ahead", limits: [.most(9, in: 5_000)]),
            .example("all", check: ["buy", "look"], per: [], limits: [.most(9, in: 5_000)]),
        ])
        _ = model.check("look", [:], at: 100_000)
        _ = model.check(at: 100_600)
        _ = model.check("look", [:], at: 100_000)
        _ = model.check("buy", ["user": "u2"], at: 99_900)
        #expect(model.used(["user": "u1"], at: 105_600) == [1, 3])
        // u2 had no counter that was ahead, and counted at 99,900.
        #expect(model.used(["user": "u2"], at: 104_900) == [1, 4])
        #expect(model.used(["user": "u2"], at: 104_901) == [0, 4])
    }

    @Test("A peek and an inspection see the step and keep nothing of it")
    func peekKeepsNothing() {
        var model = ReferenceModel(rules: [.example(limits: [.most(1, in: 5_000)])])
        _ = model.check(at: 200_000)

        let refused = model.peek(at: 100_000)

        #expect(refused.verdict == .deny)
        #expect(refused.retryAfterMs == 5_001)
        #expect(model.inspect([("user", Array("u1".utf8))], atMs: 100_000).map(\.resetMs) == [5_001])
        #expect(model.clockSteps == 0)
        #expect(model.used(at: 205_000) == [1])
    }

    @Test("A check keeps the step of a counter it only judges, denied or not")
    func judgedOnly() {
        var model = ReferenceModel(rules: [
            .example("guard", check: ["login"], count: ["login.failed"], limits: [.most(9, in: 5_000)])
        ])
        model.record("login.failed", at: 200_000)
        #expect(model.check("login", at: 100_000).verdict == .allow)
        #expect(model.clockSteps == 1)
        #expect(model.used(at: 105_001) == [0])
    }

    @Test("A record keeps the step of the counters it advances")
    func record() {
        var model = ReferenceModel(rules: [
            .example("guard", check: ["buy"], count: ["paid"], limits: [.most(9, in: 5_000)]),
            .example("bystander", check: ["paid"], count: ["buy"], limits: [.most(9, in: 5_000)]),
        ])
        model.record("paid", at: 200_000)
        model.record("buy", at: 200_000)

        model.record("paid", at: 100_000)

        // An outcome too old to count advances nothing.
        model.record("buy", ageMs: 5_001, at: 100_000)

        #expect(model.clockSteps == 1)
        #expect(model.used(at: 105_000) == [2, 1])
        #expect(model.used(at: 105_001) == [0, 1])
        #expect(model.used(at: 205_000) == [0, 1])
    }

    @Test("An old outcome is dated from the counter's own time")
    func agedRecord() {
        var model = ReferenceModel(rules: [.example(limits: [.most(9, in: 5_000)])])
        model.record(at: 100_500)
        model.record(ageMs: 400, at: 100_000)
        // At 100,100, not at 99,600.
        #expect(model.used(at: 105_100) == [2])
        #expect(model.used(at: 105_101) == [1])
    }

    @Test("Keeping a step does not convert an exact counter")
    func stepDoesNotConvert() {
        var model = ReferenceModel(rules: [.example(limits: [.most(2, in: 5_000)])])
        model.record(cost: 1, at: 200_000)
        model.record(cost: 8, at: 200_001)
        model.replace(rules: [.example(limits: [.most(5, in: 5_000)], exactUpTo: 4, slices: 5)])

        #expect(model.check(at: 100_600).verdict == .deny)

        #expect(model.clockSteps == 1)
        #expect(model.inspect([("user", Array("u1".utf8))], atMs: 100_600).map(\.resetMs) == [5_001])
    }
}
