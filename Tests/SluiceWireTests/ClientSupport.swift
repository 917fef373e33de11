import SluiceClient
import SluiceWire
import Synchronization

/// Patient enough for a busy machine; tests of deadlines set their own.
func configuration(_ server: FakeServer) -> SluiceClient.Configuration {
    var configuration = SluiceClient.Configuration(endpoint: server.endpoint)
    configuration.deadline = .seconds(10)
    configuration.connectTimeout = .seconds(30)
    return configuration
}

/// Waits until the client has its connection.
func connected(_ client: SluiceClient) async throws {
    while await client.hello == nil { try await Task.sleep(for: .milliseconds(1)) }
}

/// A request that `echo` tells from others.
func request(_ number: Int) -> WireCheckRequest {
    var request = WireCheckRequest(action: "login", entities: [WireEntity("user", "u1")])
    request.cost = UInt32(number)
    return request
}

/// A response whose generation is the number of the request.
func echo(_ frame: Frame) -> WireCheckResponse {
    let request = try! WireCheckRequest(payload: frame.payload)
    return .with { $0.generation = UInt64(request.cost) }
}

func narrowHello(maxInFlight: UInt32) -> WireHello {
    var hello = FrameCorpus.helloMessage
    hello.maxInFlight = maxInFlight
    return hello
}

/// The error of a call, nil if it succeeded.
func failure<Response>(
    _ call: () async throws(SluiceClientError) -> Response
) async -> SluiceClientError? {
    do throws(SluiceClientError) {
        _ = try await call()
        return nil
    } catch {
        return error
    }
}

extension Result {
    var failure: Failure? {
        switch self {
        case .success: nil
        case .failure(let error): error
        }
    }
}

/// Holds answers back until it is opened.
final class Gate: Sendable {
    private let held = Mutex<[(Frame, FakeConnection)]?>([])

    func answer(_ frame: Frame, _ connection: FakeConnection) {
        let isOpen = held.withLock { held in
            held?.append((frame, connection))
            return held == nil
        }
        if isOpen { connection.answer(frame, echo(frame)) }
    }

    func open() {
        for (frame, connection) in held.withLock({ exchange(&$0, with: nil) }) ?? [] {
            connection.answer(frame, echo(frame))
        }
    }
}
