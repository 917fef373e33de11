/// Which entities the next request names, and so what becomes of it.
struct EntityChoice: Sendable {
    struct Entities: Equatable, Sendable {
        var user: Int
        var device: Int
        var merchant: Int
    }

    enum Order: Sendable {
        /// Each of these once, the same number in every dimension, then no more.
        case once(Range<Int>)
        /// Any of so many, each dimension on its own; uniformly, or by Zipf's law with this exponent.
        case random(below: Int, zipf: Double? = nil)
    }

    /// Requests to be refused name one of so many users, each with a device and a merchant of its own: whoever is
    /// refused again and again sends the same request again and again.
    static let refusedUsers = 100

    private var order: Order
    private let kind: StandardWork.Kind
    private let zipf: ZipfSampler?
    private let refused: Double
    private var rest: Int
    private var numbers: SplitMix64

    /// - Parameters:
    ///   - kind: of the requests that are not refused.
    ///   - refused: share of requests that are to be refused, 0 to 1.
    ///   - requests: how many there are in all.
    init(
        _ order: Order,
        kind: StandardWork.Kind = .allowed,
        refused: Double = 0,
        requests: Int = .max,
        seed: UInt64
    ) {
        self.order = order
        self.kind = kind
        self.refused = refused
        rest = requests
        numbers = SplitMix64(state: seed)
        if case .random(let count, let exponent?) = order {
            zipf = ZipfSampler(count: count, exponent: exponent)
        } else {
            zipf = nil
        }
    }

    /// The next request; nil when there is none.
    mutating func advance() -> (StandardWork.Kind, Entities)? {
        guard rest > 0 else { return nil }
        rest -= 1
        if refused > 0, numbers.nextFraction() < refused {
            let number = numbers.next(below: Self.refusedUsers)
            return (.refused, Entities(user: number, device: number, merchant: number))
        }
        switch order {
        case .once(let numbers):
            guard let next = numbers.first else { return nil }
            order = .once(numbers.dropFirst())
            return (kind, Entities(user: next, device: next, merchant: next))
        case .random(let count, _):
            return (kind, Entities(user: number(count), device: number(count), merchant: number(count)))
        }
    }

    private mutating func number(_ count: Int) -> Int {
        if let zipf { zipf.next(using: &numbers) - 1 } else { numbers.next(below: count) }
    }
}

/// SplitMix64 (Steele, Lea, Flood, 2014): a few instructions, and good enough to choose entities by.
struct SplitMix64: Sendable {
    private var state: UInt64

    init(state: UInt64) { self.state = state }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func next(below count: Int) -> Int {
        Int(next().multipliedFullWidth(by: UInt64(count)).high)
    }

    /// From 0 to below 1, in steps of 2^-53.
    mutating func nextFraction() -> Double { Double(next() >> 11) * 0x1p-53 }
}
