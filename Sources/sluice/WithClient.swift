import SluiceClient
import SluiceWire

/// Runs `body` with a client of the service at `endpoint`, and ends the client.
///
/// - Throws: a `Failure` that says where the service was looked for, or what it refused.
func withClient<Answer: Sendable>(
    of endpoint: Endpoint,
    _ body: (SluiceClient) async throws -> Answer
) async throws -> Answer {
    let client = SluiceClient(.init(endpoint: endpoint))
    let answer: Result<Answer, any Error>
    do {
        answer = .success(try await body(client))
    } catch let error as SluiceClientError {
        answer = .failure(Failure(error, at: endpoint))
    } catch {
        answer = .failure(error)
    }
    await client.shutdown()
    return try answer.get()
}
