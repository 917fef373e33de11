import ArgumentParser
import SluiceClient
import SluiceWire

struct ReloadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Have the service read its limits file again.",
        discussion: """
            Returns when all of the service judges by the new rules, and says what changed. A file with an error, or a \
            change beyond the guardrails of the limits file (reload:), leaves the rules as they were: the reasons go to \
            the standard error, a line each, and the exit status is 65.

              $ sluice reload
              $ sluice config check limits.yaml && sluice reload
              $ sluice reload --force              even beyond the guardrails, never past an error
              $ sluice reload --json | jq -r '.changes[]'
            """
    )

    @Flag(help: "Reload even what the guardrails of the limits file would refuse.")
    var force = false

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    /// A large directory takes a while to read and to compile; a service that is not there is known of sooner.
    private static let (reloading, connecting) = (Duration.seconds(30), Duration.seconds(2))

    func run() async throws {
        let environment = Environment()
        let endpoint = try admin.endpoint(environment: environment)
        var request = WireReloadRequest()
        request.force = force
        let response = try await withClient(of: endpoint) { [request] client in
            _ = try await client.ping(deadline: Self.connecting)
            return try await client.reload(request, deadline: Self.reloading)
        }
        let report = ReloadReport(response)
        if output.json || response.ok {
            try report.print(as: output, on: .standardOutput(environment: environment))
        } else {
            report.refusal.forEach { Output.printError($0) }
        }
        guard response.ok else { throw Failure(.badData) }
    }
}
