import SluiceModel
import SluiceReference

/// Rules and requests at random, small enough that limits trip and windows pass all the time, from a generator that a
/// seed repeats (Steele, Lea and Flood, "Fast splittable pseudorandom number generators").
struct ReferenceModelTraffic {
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
            measure: pick([.count, .count, .sum, .distinct(dimension: "card")]),
            limits: [
                .most(first, in: 50, pick([.review, .challenge, .deny, .deny]), blockForMs: steps()),
                .most(
                    first + 1 + below(2), in: pick([50, 120]), pick([.review, .challenge, .deny]), blockForMs: steps()),
            ],
            counting: pick([.admitted, .admitted, .attempts]),
            shadow: below(4) == 0,
            exactUpTo: below(5),
            slices: Int(below(12)) + 1
        )
    }

    /// Mostly no block.
    private mutating func steps() -> [UInt64] { pick([[], [], [30], [20, 90], [1, 40, 150]]) }

    mutating func entities() -> ReferenceModel.Dimensions {
        let user = below(3) == 0 ? "u2" : "u1"
        return below(8) == 0 ? ["user": user] : ["user": user, "card": pick(["a", "b", "c", "d", "e"])]
    }

    mutating func listing() -> ReferenceModel.Listing? {
        guard below(12) == 0 else { return nil }
        return .init(kind: pick(ListKind.allCases), dimension: "user", leftMs: pick([nil, 40]))
    }

    /// - Parameter events: ids to choose from; mostly none is chosen.
    mutating func request(events: [String] = []) -> ReferenceModel.Request {
        let entities = entities()
        let cost: UInt64 = pick([1, 1, 1, 2, 3])
        let amount: UInt64 = pick([0, 1, 1, 2, 3])
        let event = events.isEmpty || below(3) > 0 ? "" : pick(events)
        switch below(5) {
        case 0:
            return .init(
                pick(["buy", "done"]), entities, cost: cost, amount: amount, mode: .record, ageMs: pick([0, 20, 70]),
                event: event)
        default:
            return .init(
                pick(["buy", "buy", "try"]), entities, cost: cost, amount: amount, event: event, listing: listing())
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
