import NIOConcurrencyHelpers
import Synchronization

/// Spreads connections over event loops by how many each has.
///
/// Dealing them out in turn does for short connections. Gateways keep theirs for days: once some of them have gone,
/// a loop may be left with many and its neighbour with none, and new ones in turn do not make up for that.
final class LoopBalance: Sendable {
    /// Connections of each loop, those on their way to it included.
    private let counts: NIOLockedValueBox<[Int]>

    init(loops: Int) {
        counts = NIOLockedValueBox(Array(repeating: 0, count: loops))
    }

    /// A connection's place on a loop, until it leaves.
    final class Seat: Sendable {
        let loop: Int
        private let balance: LoopBalance
        private let hasLeft = Atomic(false)

        fileprivate init(loop: Int, balance: LoopBalance) {
            self.loop = loop
            self.balance = balance
        }

        /// The second time does nothing.
        func leave() {
            guard !hasLeft.exchange(true, ordering: .relaxed) else { return }
            balance.counts.withLockedValue { $0[loop] -= 1 }
        }
    }

    /// A seat for a connection that came in on `loop`: there, unless another loop has fewer.
    func seat(from loop: Int) -> Seat {
        let place = counts.withLockedValue { counts in
            var place = loop
            for other in counts.indices where counts[other] < counts[place] { place = other }
            counts[place] += 1
            return place
        }
        return Seat(loop: place, balance: self)
    }
}
