import SluiceClient
import SluiceWire
import TestSupport

extension ServiceProcess {
    func endpoint(_ name: String) throws -> Endpoint { try Endpoint(address(name)) }

    /// Of the data listener, which is a TCP one.
    func port() throws -> Int {
        guard case .tcp(_, let port) = try endpoint("data") else { throw DidNotStart(description: "no TCP listener") }
        return port
    }

    /// Runs `body` with a client of one of the listeners.
    func withClient<R>(
        _ listener: String = "data", deadline: Duration = .seconds(2), _ body: (SluiceClient) async throws -> R
    ) async throws -> R {
        var configuration = SluiceClient.Configuration(endpoint: try endpoint(listener))
        configuration.deadline = deadline
        let client = SluiceClient(configuration)
        do {
            let result = try await body(client)
            await client.shutdown()
            return result
        } catch {
            await client.shutdown()
            throw error
        }
    }

    /// The service's numbers by name.
    func stats() async throws -> [String: Double] {
        let stats = try await withClient("admin") { try await $0.stats().stats }
        return Dictionary(stats.map { ($0.name, $0.value) }) { $1 }
    }
}
