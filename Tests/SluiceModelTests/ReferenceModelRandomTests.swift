import SluiceModel
import SluiceReference
import Testing

/// What must hold for any traffic. A failing test prints the seed that leads there again.
@Suite("Reference model: random traffic")
struct ReferenceModelRandomTests {
    @Test(
        "No real window ever admits more than the maximum, whoever attacks at whatever phase",
        arguments: [Measure.count, .sum, .distinct(dimension: "card")])
    func neverMoreThanTheMaximum(measure: Measure) {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = ReferenceModelTraffic(seed)
        for _ in 0..<60 {
            let limits = (0..<random.below(3) + 1).map { _ in
                Limit.most(
                    random.below(12) + 1, in: random.below(400) + 1, blockForMs: random.pick([[], [], [40, 200]]))
            }
            let rule = Rule.example(
                measure: measure, limits: limits, exactUpTo: random.below(12), slices: Int(random.below(20)) + 1)
            var model = ReferenceModel(rules: [rule])
            var admitted: [(at: UInt64, cost: UInt64, amount: UInt64, card: UInt64)] = []
            var now = 1_000_000 + random.below(1_000)
            for _ in 0..<200 {
                let cost = random.below(3) == 0 ? random.below(4) + 1 : 1
                let amount = random.below(5)
                let card = random.below(20)
                let decision = model.check(
                    "buy", ["user": "u1", "card": "\(card)"], cost: cost, amount: amount, at: now)
                if decision.verdict == .allow { admitted.append((now, cost, amount, card)) }
                // A patient attacker comes back to the millisecond, others at any time.
                now += random.below(2) == 0 ? decision.retryAfterMs ?? random.below(3) : random.below(60)
            }
            for limit in limits {
                for first in admitted {
                    let window = first.at...(first.at + limit.windowMs)
                    let inWindow = admitted.filter { window.contains($0.at) }
                    let weight =
                        switch measure {
                        case .count: inWindow.reduce(0) { $0 + $1.cost }
                        case .sum: inWindow.reduce(0) { $0 + $1.amount }
                        case .distinct: UInt64(Set(inWindow.map(\.card)).count)
                        }
                    #expect(weight <= limit.max, "seed \(seed), \(rule), from \(first.at)")
                }
            }
        }
    }

    @Test("The same request passes each limit and its block at retry_after and not one millisecond earlier")
    func honestRetryAfter() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = ReferenceModelTraffic(seed)
        var checked = 0
        for _ in 0..<20 {
            var model = ReferenceModel(rules: [random.rule("a"), random.rule("b")])
            var now: UInt64 = 1_000_000
            for _ in 0..<40 {
                let request = random.request(events: ["e1", "e2"])
                let decision = model.decide(request, atMs: now)
                for trip in decision.trips where trip.reason != .listed {
                    checked += 1
                    expectHonest(trip, request, on: model, at: now, "seed \(seed), \(trip) at \(now)")
                }
                now = random.step(from: now)
                if random.below(10) == 0 { model.replace(rules: [random.rule("a"), random.rule("b")]) }
            }
        }
        #expect(checked > 20, "seed \(seed)")
    }

    @Test("A peek is judged as a check at the same moment, and neither it nor an inspection leaves a trace")
    func peekEqualsCheck() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = ReferenceModelTraffic(seed)
        for _ in 0..<100 {
            let rules = [random.rule("a"), random.rule("b")]
            var watched = ReferenceModel(rules: rules)
            var unwatched = ReferenceModel(rules: rules)
            var now: UInt64 = 1_000_000
            for _ in 0..<60 {
                let request = random.request(events: ["e1", "e2", "e3"])
                var look = request
                look.mode = .peek
                let peek = watched.decide(look, atMs: now)
                _ = watched.inspect(request.entities, atMs: now)
                let decision = watched.decide(request, atMs: now)

                #expect(decision == unwatched.decide(request, atMs: now), "seed \(seed)")
                if request.mode == .check, !decision.duplicate {
                    #expect(peek.verdict == decision.verdict, "seed \(seed)")
                    #expect(peek.trips.map(\.rule) == decision.trips.map(\.rule), "seed \(seed)")
                    #expect(peek.trips.map(\.used) == decision.trips.map(\.used), "seed \(seed)")
                    #expect(peek.trips.map(\.reason) == decision.trips.map(\.reason), "seed \(seed)")
                }
                now = random.step(from: now)
            }
            #expect(watched.clockSteps == unwatched.clockSteps, "seed \(seed)")
        }
    }

    @Test("An event that is undone at once leaves the counters as they were, and repeating it changes nothing")
    func undoneAtOnce() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = ReferenceModelTraffic(seed)
        for _ in 0..<100 {
            let rules = [random.rule("a"), random.rule("b")]
            var model = ReferenceModel(rules: rules)
            var now: UInt64 = 1_000_000
            for number in 0..<60 {
                var request = random.request()
                if request.mode != .peek, random.below(2) == 0 {
                    request.eventID = Array("\(number)".utf8)
                    let before = model.inspect(request.entities, atMs: now)
                    _ = model.decide(request, atMs: now)
                    let isUndone = model.undo(
                        action: request.action, entities: request.entities, eventID: request.eventID, cost: 0,
                        amount: 0,
                        atMs: now)
                    #expect(isUndone, "seed \(seed)")
                    let after = model.inspect(request.entities, atMs: now)
                    for (before, after) in zip(before, after) {
                        // A value that came into a full set took the place of the oldest.
                        let isSet = rules.first { $0.name == after.rule }?.measure.distinctDimension != nil
                        let lost: UInt64 = isSet && before.used > before.max ? 1 : 0
                        #expect(after.used <= before.used && after.used + lost >= before.used, "seed \(seed)")
                    }
                    let steps = model.clockSteps
                    #expect(model.decide(request, atMs: now).duplicate == true, "seed \(seed)")
                    #expect(model.inspect(request.entities, atMs: now) == after, "seed \(seed)")
                    #expect(model.clockSteps == steps, "seed \(seed)")
                } else {
                    _ = model.decide(request, atMs: now)
                }
                now = random.step(from: now)
            }
        }
    }

    /// Peeks with the same request at moments before `retry_after`, the last among them, and when it has come. What
    /// never passes is looked at until every counter is empty and every block over.
    private func expectHonest(
        _ trip: ReferenceModel.Trip,
        _ request: ReferenceModel.Request,
        on model: ReferenceModel,
        at now: UInt64,
        _ comment: Comment
    ) {
        var copy = model
        var look = request
        look.mode = .peek
        func isMet(after waitMs: UInt64) -> Bool {
            copy.decide(look, atMs: now + waitMs).trips.contains {
                $0.rule == trip.rule && $0.windowMs == trip.windowMs && $0.max == trip.max
            }
        }
        // The longest block, and the second by which it or a pair may lie ahead, with the longest window behind it.
        let retryAfterMs = trip.retryAfterMs ?? 1_500
        let early =
            Array(stride(from: UInt64(1), to: retryAfterMs, by: max(1, Int(retryAfterMs / 40)))) + [retryAfterMs - 1]
        for waitMs in early where waitMs > 0 { #expect(isMet(after: waitMs), comment) }
        if trip.retryAfterMs != nil { #expect(!isMet(after: retryAfterMs), comment) }
    }
}
