import SluiceModel
import SluiceReference
import Testing

/// Section "block_for": the next step at each new block, one back per quiet period, and a clock that is set back.
@Suite("Reference model: escalation")
struct ReferenceModelEscalationTests {
    private let user = [(dimension: "user", value: Array("u1".utf8))]

    private func rule(steps: UInt64...) -> Rule {
        .example(check: ["login"], count: ["failed"], limits: [.most(1, in: 1, .challenge, blockForMs: steps)])
    }

    /// Trips the limit at this time and returns the step and the length of the block.
    private func trip(_ model: inout ReferenceModel, at now: UInt64) -> (Int, UInt64) {
        model.record("failed", at: now)
        _ = model.check("login", at: now)
        let usage = model.inspect(user, atMs: now)[0]
        return (usage.blockStep, usage.blockedMs)
    }

    @Test("Each new block is the next step, at most the last")
    func escalates() {
        var model = ReferenceModel(rules: [rule(steps: 100, 1_000, 10_000)])
        #expect(trip(&model, at: 100_000) == (1, 100))
        // The moment it is over.
        #expect(trip(&model, at: 100_100) == (2, 1_000))
        // 999 ms later: not yet one period of the 1,000 just served.
        #expect(trip(&model, at: 102_099) == (3, 10_000))
        #expect(trip(&model, at: 112_099) == (3, 10_000))
    }

    @Test("Every quiet period as long as the step just served takes one step back")
    func decays() {
        var model = ReferenceModel(rules: [rule(steps: 100, 1_000, 10_000)])
        for now: UInt64 in [100_000, 100_100, 101_100] { _ = trip(&model, at: now) }
        // Step 3 until 111,100. One period of 10,000: from 2 to 3.
        #expect(trip(&model, at: 121_100) == (3, 10_000))
        // Until 131,100, and two periods: from 1 to 2.
        #expect(trip(&model, at: 151_100) == (2, 1_000))
        // Until 152,100, and two periods of 1,000: from nothing to 1.
        #expect(trip(&model, at: 154_100) == (1, 100))
        // Until 154,200, and very many.
        #expect(trip(&model, at: 999_154_200) == (1, 100))
    }

    @Test("Fewer or other steps act on the next block")
    func changedSteps() {
        var model = ReferenceModel(rules: [rule(steps: 100, 1_000, 10_000)])
        for now: UInt64 in [100_000, 100_100, 101_100] { _ = trip(&model, at: now) }

        model.replace(rules: [rule(steps: 50, 60)])
        // Until 111,100 all the same.
        #expect(model.inspect(user, atMs: 111_099).map(\.blockStep) == [3])
        #expect(model.blockedMs(at: 111_099) == [1])
        #expect(trip(&model, at: 111_100) == (2, 60))
        model.replace(rules: [rule(steps: 70, 80, 90)])
        #expect(trip(&model, at: 111_160) == (3, 90))
    }

    @Test("A limit that blocks no more does not, and remembers")
    func withoutSteps() {
        var model = ReferenceModel(rules: [rule(steps: 1_000, 2_000)])
        _ = trip(&model, at: 100_000)
        model.replace(rules: [rule()])
        #expect(model.check("login", at: 100_500).verdict == .allow)
        #expect(model.blockedMs(at: 100_500) == [0])
        model.replace(rules: [rule(steps: 1_000, 2_000)])
        #expect(model.check("login", at: 100_500).verdict == .challenge)
        #expect(trip(&model, at: 101_000) == (2, 2_000))
    }

    @Test("A block never lasts longer than it was made to, were the clock set back")
    func clockSetBack() {
        var model = ReferenceModel(rules: [rule(steps: 5_000)])
        _ = trip(&model, at: 100_000)

        // Until 105,000, which is 6,000 ahead.
        #expect(model.check("login", at: 99_000).retryAfterMs == 6_000)
        #expect(model.clockSteps == 0)
        #expect(model.peek("login", at: 98_999).retryAfterMs == 5_000)
        #expect(model.blockedMs(at: 98_999) == [5_000])
        #expect(model.clockSteps == 0)
        #expect(model.blockedMs(at: 99_000) == [6_000])

        // The pair was 1,001 ahead as well: one cell, one step. It is at 98,999 now.
        #expect(model.check("login", at: 98_999).retryAfterMs == 5_000)
        #expect(model.clockSteps == 1)
        #expect(model.blockedMs(at: 99_000) == [4_999])
        #expect(model.inspect(user, atMs: 98_999).map(\.resetMs) == [2])
    }

    @Test("A record leaves a block ahead of its time as it is")
    func recordAfterClockStep() {
        var model = ReferenceModel(rules: [rule(steps: 5_000)])
        _ = trip(&model, at: 100_000)
        model.record("failed", at: 50_000)
        #expect(model.clockSteps == 1)
        #expect(model.blockedMs(at: 100_000) == [5_000])
    }
}
