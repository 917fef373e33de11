import SluiceModel
import Synchronization

/// Tells the deny caches of all event loops which entities' refusals hold no longer, because an operator or an undo has
/// taken something back. No lock and no hop: a cache compares numbers when it is about to refuse.
///
/// Every drop has a number. Entities share a few thousand stripes by a hash of their key; a stripe keeps the number of
/// its last drop, and a refusal from a run that was begun before that is void. A neighbour in the stripe is asked of
/// Redis once more than it need be.
final class RefusalDrops: Sendable {
    private static let stripeCount = 4_096

    /// Nobody outside can choose values that fall together.
    let hash = ByteHash(seed: .random(in: .min ... .max))
    private let latest = Atomic<UInt64>(0)
    private let stripes: InlineArray<4_096, Atomic<UInt64>>

    init() {
        stripes = InlineArray { _ in Atomic(0) }
    }

    /// The number of the last drop: what a run is marked with before its first request joins it.
    var current: UInt64 { latest.load(ordering: .acquiring) }

    /// Voids what is refused for the entity hash `key`, on every loop, when this returns.
    func drop(_ key: [UInt8]) {
        drop(stripe: Self.stripe(of: key.withUnsafeBytes { hash($0) }))
    }

    func drop(stripe: Int) {
        let number = latest.add(1, ordering: .acquiringAndReleasing).newValue
        stripes[stripe].max(number, ordering: .acquiringAndReleasing)
    }

    /// Whether the refusals of the entity with this hash were dropped after the drop `number`.
    func hasDropped(_ hash: UInt64, after number: UInt64) -> Bool {
        stripes[Self.stripe(of: hash)].load(ordering: .acquiring) > number
    }

    static func stripe(of hash: UInt64) -> Int {
        // Not the bits that choose a cache's set.
        Int(truncatingIfNeeded: hash) & (stripeCount - 1)
    }
}
