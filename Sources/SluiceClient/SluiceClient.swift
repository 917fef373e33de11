import NIOCore
import NIOPosix
import SluiceWire
import SwiftProtobuf

/// A client of one Sluice service: many calls in flight over one connection, opened at once and kept up until
/// `shutdown`.
///
/// Calls made from one task go out in the order they were made, and are judged in that order. Calls made while there is
/// no connection wait for it until their deadline. A call is never sent twice, but for one that a server refused,
/// uncounted, because it was going away.
public final class SluiceClient: Sendable {
    public let configuration: Configuration
    private let mailbox: Mailbox

    /// - Parameter eventLoopGroup: where the connection lives, on one of its loops; must outlive the client.
    public init(
        _ configuration: Configuration,
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) {
        self.configuration = configuration
        self.mailbox = Mailbox(configuration: configuration, eventLoop: eventLoopGroup.next())
    }

    deinit {
        mailbox.post(.shutdown {})
    }

    /// The server's HELLO on the connection in use; nil while there is none.
    public var hello: WireHello? {
        get async {
            await withCheckedContinuation { continuation in
                mailbox.post(.hello { continuation.resume(returning: $0) })
            }
        }
    }

    /// Measures the time from a ping to its pong, without the wait for a connection.
    ///
    /// - Parameter deadline: the configuration's if nil; waiting for a connection counts.
    public func ping(deadline: Duration? = nil) async throws(SluiceClientError) -> Duration {
        switch try await answer(to: .ping, deadline: deadline ?? configuration.deadline) {
        case .pong(let roundTrip): return Duration(roundTrip)
        case .payload: throw .malformedAnswer(why: "a response to a ping")
        }
    }

    /// Refuses new calls, waits for those made before until they are answered or their deadlines come, and closes.
    public func shutdown() async {
        await withCheckedContinuation { continuation in
            mailbox.post(.shutdown { continuation.resume() })
        }
    }

    /// Makes a call and waits for its response.
    func call<Response: Message>(
        _ method: WireMethod,
        _ request: some Message,
        deadline: Duration
    ) async throws(SluiceClientError) -> Response {
        let payload = try encode(request)
        switch try await answer(to: .request(method, payload: payload), deadline: deadline) {
        case .payload(let payload): return try decode(payload)
        case .pong: throw .malformedAnswer(why: "a pong to a request")
        }
    }

    /// Makes a call and returns at once.
    func call<Response: Message>(
        _ method: WireMethod,
        _ request: some Message,
        deadline: Duration,
        completion: @escaping @Sendable (Result<Response, SluiceClientError>) -> Void
    ) {
        let payload: [UInt8]
        do {
            payload = try encode(request)
        } catch {
            completion(.failure(error))
            return
        }
        let content = Call.Content.request(method, payload: payload)
        post(content, deadline: deadline, cancellation: nil) { result in
            completion(
                result.flatMap { answer in
                    switch answer {
                    case .payload(let payload):
                        Result { () throws(SluiceClientError) in try decode(payload) }
                    case .pong:
                        .failure(.malformedAnswer(why: "a pong to a request"))
                    }
                }
            )
        }
    }

    private func answer(to content: Call.Content, deadline: Duration) async throws(SluiceClientError) -> Answer {
        let cancellation = Cancellation()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                post(content, deadline: deadline, cancellation: cancellation) { continuation.resume(returning: $0) }
            }
        } onCancel: {
            cancellation.cancel()
            mailbox.post(.cancel(cancellation))
        }
        return try result.get()
    }

    private func post(
        _ content: Call.Content,
        deadline: Duration,
        cancellation: Cancellation?,
        completion: @escaping @Sendable (Result<Answer, SluiceClientError>) -> Void
    ) {
        let deadline = NIODeadline.now() + TimeAmount(deadline.bounded)
        let call = Call(content: content, deadline: deadline, cancellation: cancellation, completion: completion)
        mailbox.post(.call(call))
    }
}

private func encode(_ request: some Message) throws(SluiceClientError) -> [UInt8] {
    do {
        return try request.serializedBytes()
    } catch {
        // A message without required fields cannot be encoded for one reason only.
        throw .payloadTooLong(bytes: .max, limit: Int(Int32.max))
    }
}

private func decode<Response: Message>(_ payload: ByteBuffer) throws(SluiceClientError) -> Response {
    do {
        return try Response(payload: payload)
    } catch {
        throw .malformedAnswer(why: "a payload that cannot be decoded")
    }
}
