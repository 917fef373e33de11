import SluiceModel
import SluiceReference
import Testing

/// What must hold for any traffic. A failing test prints the seed that leads there again.
@Suite("Reference model: random traffic")
struct ReferenceModelRandomTests {
    @Test("No real window ever admits more than the maximum, whoever attacks at whatever phase")
    func neverMoreThanTheMaximum() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix64(seed)
        for _ in 0..<100 {
            let limits = (0..<random.below(3) + 1).map { _ in
                Limit.most(random.below(12) + 1, in: random.below(400) + 1)
            }
            let rule = Rule.example(
                limits: limits, exactUpTo: random.below(12), slices: Int(random.below(20)) + 1)
            var model = ReferenceModel(rules: [rule])
            var admitted: [(at: UInt64, cost: UInt64)] = []
            var now = 1_000_000 + random.below(1_000)
            for _ in 0..<200 {
                let cost = random.below(3) == 0 ? random.below(4) + 1 : 1
                let decision = model.check(cost: cost, at: now)
                if decision.verdict == .allow { admitted.append((now, cost)) }
                // A patient attacker comes back to the millisecond, others at any time.
                now += random.below(2) == 0 ? decision.retryAfterMs ?? random.below(3) : random.below(60)
            }
            for limit in limits {
                for first in admitted {
                    let window = first.at...(first.at + limit.windowMs)
                    let weight = admitted.filter { window.contains($0.at) }.reduce(0) { $0 + $1.cost }
                    #expect(weight <= limit.max, "seed \(seed), \(rule), from \(first.at)")
                }
            }
        }
    }

    @Test("The same request passes each limit at retry_after and not one millisecond earlier")
    func honestRetryAfter() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix64(seed)
        var checked = 0
        for _ in 0..<20 {
            var model = ReferenceModel(rules: [random.rule("a"), random.rule("b")])
            var now: UInt64 = 1_000_000
            for _ in 0..<40 {
                let request = random.request()
                let decision = model.decide(request, atMs: now)
                for trip in decision.trips {
                    checked += 1
                    #expect(
                        firstPass(of: trip, request, on: model, after: now) == trip.retryAfterMs,
                        "seed \(seed), \(trip) at \(now)")
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
        var random = SplitMix64(seed)
        for _ in 0..<100 {
            let rules = [random.rule("a"), random.rule("b")]
            var watched = ReferenceModel(rules: rules)
            var unwatched = ReferenceModel(rules: rules)
            var now: UInt64 = 1_000_000
            for _ in 0..<60 {
                let request = random.request()
                var look = request
                look.mode = .peek
                let peek = watched.decide(look, atMs: now)
                _ = watched.inspect(request.entities, atMs: now)
                let decision = watched.decide(request, atMs: now)

                #expect(decision == unwatched.decide(request, atMs: now), "seed \(seed)")
                if request.mode == .check {
                    #expect(peek.verdict == decision.verdict, "seed \(seed)")
                    #expect(peek.trips.map(\.rule) == decision.trips.map(\.rule), "seed \(seed)")
                    #expect(peek.trips.map(\.used) == decision.trips.map(\.used), "seed \(seed)")
                }
                now = random.step(from: now)
            }
            #expect(watched.clockSteps == unwatched.clockSteps, "seed \(seed)")
        }
    }

    /// The first time after `now` at which a peek no longer meets the trip; nil if it has not by the time when every
    /// counter is empty.
    private func firstPass(
        of trip: ReferenceModel.Trip,
        _ request: ReferenceModel.Request,
        on model: ReferenceModel,
        after now: UInt64
    ) -> UInt64? {
        var copy = model
        var look = request
        look.mode = .peek
        // The longest window, its longest slice, and the second by which a pair may lie ahead. What never passes is
        // looked at now and then, what passes at every millisecond before.
        let waits = stride(from: UInt64(1), through: 1_500, by: trip.retryAfterMs == nil ? 100 : 1)
        return waits.first { wait in
            !copy.decide(look, atMs: now + wait).trips.contains {
                $0.rule == trip.rule && $0.windowMs == trip.windowMs && $0.max == trip.max
            }
        }
    }
}

/// A generator that a seed repeats (Steele, Lea and Flood, "Fast splittable pseudorandom number generators").
private struct SplitMix64 {
    private var state: UInt64

    init(_ seed: UInt64) {
        state = seed
    }

    /// 0 to `bound` - 1.
    mutating func below(_ bound: UInt64) -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return (z ^ (z >> 31)) % bound
    }

    mutating func pick<T>(_ choices: [T]) -> T { choices[Int(below(UInt64(choices.count)))] }

    /// A rule with small numbers: windows of 50 and 120 ms, maxima up to 6, no two limits alike.
    mutating func rule(_ name: String) -> Rule {
        let first = below(4)
        return .example(
            name,
            check: pick([["buy"], ["buy", "try"]]),
            count: pick([nil, ["buy"], ["buy", "done"], ["done"]]),
            per: pick([["user"], []]),
            limits: [
                .most(first, in: 50, pick([.review, .challenge, .deny, .deny])),
                .most(first + 1 + below(2), in: pick([50, 120]), pick([.review, .challenge, .deny])),
            ],
            counting: pick([.admitted, .admitted, .attempts]),
            shadow: below(4) == 0,
            exactUpTo: below(5),
            slices: Int(below(12)) + 1
        )
    }

    mutating func request() -> ReferenceModel.Request {
        let user: ReferenceModel.Dimensions = below(3) == 0 ? ["user": "u2"] : ["user": "u1"]
        let cost: UInt64 = pick([1, 1, 1, 2, 3])
        switch below(5) {
        case 0: return .init(pick(["buy", "done"]), user, cost: cost, mode: .record, ageMs: pick([0, 20, 70]))
        default: return .init(pick(["buy", "buy", "try"]), user, cost: cost)
        }
    }

    /// The next moment: mostly a little later, now and then a clock that runs back.
    mutating func step(from now: UInt64) -> UInt64 {
        switch below(20) {
        case 0: now - below(60)
        case 1: now - 1_000 - below(200)
        default: now + below(40)
        }
    }
}
