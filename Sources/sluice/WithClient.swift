import SluiceClient
import SluiceWire

/// Runs `body` with a client of the service at `endpoint`, and ends the client.
///
/// - Parameter answerMargin: how much of a call's deadline the service is not told of; nil for the client's choice.
/// - Throws: a `Failure` that says where the service was looked for, or what it refused.
func withClient<Answer: Sendable>(
    of endpoint: Endpoint,
    answerMargin: Duration? = nil,
    _ body: (SluiceClient) async throws -> Answer
) async throws -> Answer {
    var configuration = SluiceClient.Configuration(endpoint: endpoint)
    if let answerMargin { configuration.answerMargin = answerMargin }
    let client = SluiceClient(configuration)
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
