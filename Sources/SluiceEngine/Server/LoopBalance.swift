import NIOConcurrencyHelpers
import Synchronization

/// Why a new connection is closed at once.
enum ConnectionRefusal: String, Error, CaseIterable, Sendable {
    /// The listener has as many as it may.
    case limit
    /// This peer has.
    case peer
    /// The service is about to end.
    case draining
}

/// Spreads a listener's connections over event loops by how many each has, and bounds them.
///
/// Dealing them out in turn does for short connections. Gateways keep theirs for days: once some of them have gone,
/// a loop may be left with many and its neighbour with none, and new ones in turn do not make up for that.
final class LoopBalance: Sendable {
    private struct State {
        /// Connections of each loop, those on their way to it included.
        var counts: [Int]
        var total = 0
        /// Of peers that have any.
        var peers: [PeerAddress: Int] = [:]
    }

    private let most: Int
    private let mostPerPeer: Int
    private let state: NIOLockedValueBox<State>

    /// - Parameters:
    ///   - most: connections at once.
    ///   - mostPerPeer: of these, from one address.
    init(loops: Int, most: Int = .max, mostPerPeer: Int = .max) {
        self.most = most
        self.mostPerPeer = mostPerPeer
        state = NIOLockedValueBox(State(counts: Array(repeating: 0, count: loops)))
    }

    /// A connection's place on a loop, until it leaves.
    final class Seat: Sendable {
        let loop: Int
        private let peer: PeerAddress?
        private let balance: LoopBalance
        private let hasLeft = Atomic(false)

        fileprivate init(loop: Int, peer: PeerAddress?, balance: LoopBalance) {
            self.loop = loop
            self.peer = peer
            self.balance = balance
        }

        /// The second time does nothing.
        func leave() {
            guard !hasLeft.exchange(true, ordering: .relaxed) else { return }
            balance.leave(loop, peer)
        }
    }

    /// A seat for a connection that came in on `loop`: there, unless another loop has fewer.
    ///
    /// - Parameter peer: nil: it is not counted by where it comes from.
    func seat(from loop: Int, peer: PeerAddress? = nil) throws(ConnectionRefusal) -> Seat {
        let (most, mostPerPeer) = (most, mostPerPeer)
        let place = state.withLockedValue { state -> Result<Int, ConnectionRefusal> in
            guard state.total < most else { return .failure(.limit) }
            if let peer {
                guard state.peers[peer, default: 0] < mostPerPeer else { return .failure(.peer) }
                state.peers[peer, default: 0] += 1
            }
            var place = loop
            for other in state.counts.indices where state.counts[other] < state.counts[place] { place = other }
            state.counts[place] += 1
            state.total += 1
            return .success(place)
        }
        return Seat(loop: try place.get(), peer: peer, balance: self)
    }

    private func leave(_ loop: Int, _ peer: PeerAddress?) {
        state.withLockedValue { state in
            state.counts[loop] -= 1
            state.total -= 1
            guard let peer, let count = state.peers[peer] else { return }
            state.peers[peer] = count > 1 ? count - 1 : nil
        }
    }
}
