import Foundation
import LuaScripts
import SluiceModel
import SluiceReference
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

/// The real scripts on a real Redis against the reference model.
@Suite("Redis decides as the reference model does")
struct DifferentialTests {
    /// Operations in all; `make test-nightly` asks for more.
    private static let operations =
        ProcessInfo.processInfo.environment["SLUICE_TEST_OPERATIONS"].flatMap { Int($0) } ?? 300_000

    @Test("Random rules of all measures, events, undos, blocks, times and live changes are decided equally")
    func randomTraffic() async throws {
        var seeds = SeededGenerator.announced()
        let redis = try RedisServer()
        let perRound = 2_000
        for round in 0..<max(1, Self.operations / perRound) {
            let seed = seeds.next()
            let agreed = try await Self.play(seed: seed, operations: perRound, on: redis, round: round)
            guard agreed else { return }
        }
    }

    /// - Returns: whether model and Redis agreed on everything.
    private static func play(seed: UInt64, operations: Int, on redis: RedisServer, round: Int) async throws -> Bool {
        var traffic = RandomTraffic(random: SeededGenerator(seed: seed))
        var model = ReferenceModel(rules: traffic.rules)
        var settings = EngineHarness.settings()
        settings.keyPrefix = "t\(round)-"
        // Runs end where time goes back, and nowhere else.
        settings.bounds.requestsPerRun = 256
        let engine = try await EngineHarness(redis: redis, rules: traffic.rules, settings: settings)
        var generation: UInt64 = 1
        var done = 0
        while done < operations {
            if traffic.random.oneIn(30) {
                traffic.changeRules()
                generation += 1
                model.replace(rules: traffic.rules, atMs: traffic.nowMs)
                let births = Dictionary(
                    uniqueKeysWithValues: model.births.map { ("\($0.key.rule)/\($0.key.windowMs)", $0.value) })
                model.eventMemoryMs = [500, 20_000, 600_000].randomElement(using: &traffic.random)!
                try await engine.replace(
                    rules: traffic.rules, generation: generation, births: births, eventMemoryMs: model.eventMemoryMs)
            }
            if traffic.random.oneIn(3), let event = traffic.someEvent() {
                traffic.tick()
                let (cost, amount) = (traffic.share(), traffic.share())
                let done = try await engine.undo(event, cost: cost, amount: amount, atMs: traffic.nowMs)
                let expected = model.undo(
                    action: event.action, entities: event.entities, eventID: event.eventID, cost: cost, amount: amount,
                    atMs: traffic.nowMs)
                #expect(done == expected, "seed \(seed), operation \(done): undo of \(event) at \(traffic.nowMs)")
                guard done == expected else { return false }
            }
            if traffic.random.oneIn(20) {
                let entities = traffic.request().entities.filter { !$0.value.isEmpty }
                    .shuffled(using: &traffic.random).prefix(Int.random(in: 0...2, using: &traffic.random))
                if traffic.random.oneIn(2) {
                    model.unblock(Array(entities))
                    _ = try await engine.run(LuaScripts.unblock, on: Array(entities), argument: "\(traffic.nowMs)")
                } else {
                    model.reset(Array(entities))
                    _ = try await engine.run(LuaScripts.reset, on: Array(entities), argument: "")
                }
            }
            var calls: [(request: ReferenceModel.Request, atMs: UInt64?)] = []
            for _ in 0..<Int.random(in: 1...40, using: &traffic.random) {
                traffic.tick()
                calls.append((traffic.request(), traffic.nowMs))
            }
            let outcomes = try await engine.decide(calls)
            model.beginRun()
            var latestMs: UInt64 = 0
            for (call, outcome) in zip(calls, outcomes) {
                guard case .response(let response) = outcome else {
                    if call.request.ageMs > 0, case .refused(.invalidArgument, _) = outcome { continue }
                    Issue.record("seed \(seed), operation \(done): \(outcome)")
                    return false
                }
                let isEvent = !call.request.eventID.isEmpty && call.request.mode != .peek
                if isEvent || model.meetsARule(call.request) {
                    if call.atMs! < latestMs { model.beginRun() }
                    latestMs = call.atMs!
                }
                let expected = model.decide(call.request, atMs: call.atMs!)
                let decided = ReferenceModel.Decision(response)
                guard decided == expected, response.generation == generation, response.basis == .redis else {
                    Issue.record(
                        """
                        seed \(seed), operation \(done), at \(call.atMs!): \(call.request)
                        model \(expected)
                        Redis \(decided)
                        rules \(traffic.rules)
                        """
                    )
                    return false
                }
                done += 1
            }
            if traffic.random.oneIn(10) {
                let entities = traffic.request().entities.filter { !$0.value.isEmpty }
                let seen = try await engine.inspect(entities, atMs: traffic.nowMs)
                model.beginRun()
                let expected = model.inspect(entities, atMs: traffic.nowMs)
                #expect(seen.map(\.used) == expected.map(\.used), "seed \(seed)")
                #expect(seen.map(\.resetMs) == expected.map(\.resetMs), "seed \(seed)")
                #expect(seen.map(\.blockedMs) == expected.map(\.blockedMs), "seed \(seed)")
                #expect(seen.map { Int($0.blockStep) } == expected.map(\.blockStep), "seed \(seed)")
                #expect(seen.map(\.rule) == expected.map(\.rule), "seed \(seed)")
            }
        }
        let steps = try await engine.run { $0.metrics.clockSteps }
        #expect(Int(steps) == model.clockSteps, "seed \(seed)")
        try await engine.shutDown()
        return true
    }
}

extension ReferenceModel.Decision {
    /// What a response says of a decision.
    init(_ response: WireCheckResponse) {
        self.init(
            verdict: Verdict(response.verdict)!,
            trips: response.trips.map { trip in
                ReferenceModel.Trip(
                    rule: trip.rule,
                    windowMs: trip.windowMs,
                    max: trip.max,
                    used: trip.used,
                    retryAfterMs: trip.hasRetryAfterMs ? trip.retryAfterMs : nil,
                    verdict: Verdict(trip.verdict)!,
                    shadow: trip.shadow,
                    reason: [.limit: .limit, .blocked: .blocked, .listed: .listed][trip.reason]!
                )
            },
            retryAfterMs: response.hasRetryAfterMs ? response.retryAfterMs : nil,
            tightest: response.hasTightest
                ? ReferenceModel.Headroom(
                    rule: response.tightest.rule,
                    windowMs: response.tightest.windowMs,
                    max: response.tightest.max,
                    remaining: response.tightest.remaining,
                    resetMs: response.tightest.resetMs
                ) : nil,
            duplicate: response.duplicate
        )
    }
}
