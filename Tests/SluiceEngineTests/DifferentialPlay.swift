import LuaScripts
import SluiceModel
import SluiceReference
import SluiceWire
import TestSupport

@testable import SluiceEngine

/// Random traffic, decided by the scripts in Redis and by the reference model side by side.
struct DifferentialPlay {
    /// What the two do not agree on.
    struct Disagreement: Error, CustomStringConvertible {
        let description: String
    }

    let seed: UInt64
    /// How many requests, at least.
    let operations: Int
    /// Of its keys; no other play's on this Redis.
    let keyPrefix: String
    /// What Redis decides with.
    var scripts = LoadedScript.ofOne

    /// - Returns: the first disagreement; nil if there is none.
    func run(on redis: RedisServer) async throws -> Disagreement? {
        var traffic = RandomTraffic(random: SeededGenerator(seed: seed))
        var settings = EngineHarness.settings()
        settings.keyPrefix = keyPrefix
        // Runs end where time goes back, and nowhere else.
        settings.bounds.requestsPerRun = 256
        let engine = try await EngineHarness(redis: redis, rules: traffic.rules, settings: settings, scripts: scripts)
        var found: Disagreement?
        do {
            try await play(&traffic, on: engine)
        } catch let disagreement as Disagreement {
            found = disagreement
        } catch let failure as RedisFailure {
            found = Disagreement(description: "seed \(seed): \(failure)")
        }
        try await engine.shutDown()
        return found
    }

    private func play(_ traffic: inout RandomTraffic, on engine: EngineHarness) async throws {
        var model = ReferenceModel(rules: traffic.rules)
        var generation: UInt64 = 1
        var done = 0
        while done < operations {
            if traffic.random.oneIn(30) {
                traffic.changeRules()
                generation += 1
                model.replace(rules: traffic.rules, atMs: traffic.nowMs)
                model.eventMemoryMs = [3, 40, 500, 20_000, 600_000].randomElement(using: &traffic.random)!
                let births = Dictionary(
                    uniqueKeysWithValues: model.births.map { ("\($0.key.rule)/\($0.key.windowMs)", $0.value) })
                try await engine.replace(
                    rules: traffic.rules, generation: generation, births: births, eventMemoryMs: model.eventMemoryMs)
            }
            while traffic.random.oneIn(2) { try await undo(&traffic, &model, on: engine) }
            if traffic.random.oneIn(20) { try await operate(&traffic, &model, on: engine) }
            done += try await decide(&traffic, &model, on: engine, generation: generation)
            if traffic.random.oneIn(10) { try await inspect(&traffic, &model, on: engine) }
        }
        let steps = try await engine.run { $0.metrics.clockSteps }
        try agree(Int(steps), model.clockSteps, "clock steps", traffic)
    }

    private func undo(
        _ traffic: inout RandomTraffic, _ model: inout ReferenceModel, on engine: EngineHarness
    ) async throws {
        guard let event = traffic.someEvent() else { return }
        traffic.tick()
        let (cost, amount) = (traffic.share(), traffic.share())
        let undone = try await engine.undo(event, cost: cost, amount: amount, atMs: traffic.nowMs)
        let expected = model.undo(
            action: event.action, entities: event.entities, eventID: event.eventID, cost: cost, amount: amount,
            atMs: traffic.nowMs)
        try agree(undone, expected, "undo of \(event)", traffic)
    }

    /// What an operator does: lifts blocks or forgets counters.
    private func operate(
        _ traffic: inout RandomTraffic, _ model: inout ReferenceModel, on engine: EngineHarness
    ) async throws {
        let entities = Array(
            traffic.request().entities.filter { !$0.value.isEmpty }
                .shuffled(using: &traffic.random).prefix(Int.random(in: 0...2, using: &traffic.random)))
        if traffic.random.oneIn(2) {
            model.unblock(entities)
            _ = try await engine.run(LuaScripts.unblock, on: entities, argument: "\(traffic.nowMs)")
        } else {
            model.reset(entities)
            _ = try await engine.run(LuaScripts.reset, on: entities, argument: "")
        }
    }

    /// - Returns: how many requests were decided.
    private func decide(
        _ traffic: inout RandomTraffic, _ model: inout ReferenceModel, on engine: EngineHarness, generation: UInt64
    ) async throws -> Int {
        var calls: [(request: ReferenceModel.Request, atMs: UInt64?)] = []
        for _ in 0..<Int.random(in: 1...traffic.mostAtOnce, using: &traffic.random) {
            traffic.tick()
            calls.append((traffic.request(), traffic.nowMs))
        }
        var done = 0
        var latestMs: UInt64 = 0
        model.beginRun()
        for (call, outcome) in zip(calls, try await engine.decide(calls)) {
            guard case .response(let response) = outcome else {
                if call.request.ageMs > 0, case .refused(.invalidArgument, _) = outcome { continue }
                throw Disagreement(description: "seed \(seed): \(call.request): \(outcome)")
            }
            let isEvent = !call.request.eventID.isEmpty && call.request.mode != .peek
            if isEvent || model.meetsARule(call.request) {
                if call.atMs! < latestMs { model.beginRun() }
                latestMs = call.atMs!
            }
            let expected = model.decide(call.request, atMs: call.atMs!)
            try agree(ReferenceModel.Decision(response), expected, "\(call.request) at \(call.atMs!)", traffic)
            try agree(response.generation, generation, "generation", traffic)
            try agree(response.basis, .redis, "\(call.request) at \(call.atMs!)", traffic)
            done += 1
        }
        return done
    }

    private func inspect(
        _ traffic: inout RandomTraffic, _ model: inout ReferenceModel, on engine: EngineHarness
    ) async throws {
        let entities = traffic.request().entities.filter { !$0.value.isEmpty }
        let seen = try await engine.inspect(entities, atMs: traffic.nowMs)
        model.beginRun()
        let expected = model.inspect(entities, atMs: traffic.nowMs)
        let what = "inspection of \(entities)"
        try agree(seen.map(\.rule), expected.map(\.rule), what, traffic)
        try agree(seen.map(\.used), expected.map(\.used), what, traffic)
        try agree(seen.map(\.resetMs), expected.map(\.resetMs), what, traffic)
        try agree(seen.map(\.blockedMs), expected.map(\.blockedMs), what, traffic)
        try agree(seen.map { Int($0.blockStep) }, expected.map(\.blockStep), what, traffic)
    }

    private func agree<T: Equatable>(_ redis: T, _ model: T, _ what: String, _ traffic: RandomTraffic) throws {
        guard redis != model else { return }
        throw Disagreement(
            description: """
                seed \(seed), at \(traffic.nowMs): \(what)
                model \(model)
                Redis \(redis)
                rules \(traffic.rules)
                """
        )
    }
}
