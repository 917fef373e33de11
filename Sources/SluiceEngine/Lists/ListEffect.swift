import SluiceModel

/// What the lists say of one request: of all the lists that its entities are on, the one that decides.
struct ListEffect: Equatable {
    var kind: ListKind
    /// Of the entity that is on it; its value is nobody's business.
    var dimension: String
    /// How long it lasts; nil: for good.
    var leftMs: UInt64?
}

extension ListEffect {
    /// Which of two entries for the same value stays: the stronger kind, and of one kind the longer.
    static func strength(_ kind: ListKind?, _ untilMs: UInt64) -> (kind: Int, untilMs: UInt64) {
        (kind.map { 4 - Int($0.rawValue) } ?? 0, untilMs == 0 ? .max : untilMs)
    }

    /// The strongest of the listings seen so far, and among equals the one that lasts longest.
    struct Search {
        /// Unix ms, by the clock that listings end by.
        let nowMs: UInt64
        private(set) var effect: ListEffect?

        init(nowMs: UInt64) {
            self.nowMs = nowMs
        }

        mutating func consider(_ kind: ListKind, untilMs: UInt64, dimension: String) {
            guard untilMs == 0 || untilMs > nowMs else { return }
            let leftMs = untilMs == 0 ? nil : untilMs - nowMs
            if let effect {
                guard kind.rawValue <= effect.kind.rawValue else { return }
                if kind == effect.kind, leftMs ?? .max <= effect.leftMs ?? .max { return }
            }
            effect = ListEffect(kind: kind, dimension: dimension, leftMs: leftMs)
        }
    }
}
