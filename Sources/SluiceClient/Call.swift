import NIOCore
import SluiceWire
import Synchronization

/// One call on its way: what to send, until when to wait, and whom to tell.
struct Call: Sendable {
    enum Content: Sendable {
        case request(WireMethod, payload: [UInt8])
        case ping
    }

    var content: Content
    var deadline: NIODeadline
    /// Of a call whose task can be cancelled; also its identity then.
    var cancellation: Cancellation?
    /// Already refused by a server that was going away, and sent a second time.
    var isRepeated = false
    /// Called exactly once, on the event loop.
    var completion: @Sendable (Result<Answer, SluiceClientError>) -> Void

    func succeed(_ answer: Answer) { completion(.success(answer)) }
    func fail(_ error: SluiceClientError) { completion(.failure(error)) }
}

/// What a successful call brings back.
enum Answer: Sendable {
    case payload(ByteBuffer)
    case pong(roundTrip: TimeAmount)
}

/// Set by a cancelled task, possibly before its call has reached the event loop.
final class Cancellation: Sendable {
    private let flag = Atomic(false)

    var isCancelled: Bool { flag.load(ordering: .acquiring) }

    func cancel() { flag.store(true, ordering: .releasing) }
}
