import ArgumentParser
import SluiceClient
import SluiceWire

struct ResetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reset",
        abstract: "Forget the counters of an entity.",
        discussion: """
            Forgets what is counted for exactly the tuple given: user=u17 leaves alone what is counted for user=u17 \
            and device=9f3c together. What the rules in force block it for ends with its counters.

              $ sluice reset user=u17 --reason "support case 8812"
              $ sluice reset user=u17 --rule login-failures
              $ sluice reset user=u17 device=9f3c
              $ sluice reset --rule site-wide         the counter of a rule that has no dimensions

            Who asked and why goes to the service's log. On a terminal it shows first what would be forgotten, and \
            asks; --yes answers for you, and a script is not asked.
            """
    )

    @Argument(help: ArgumentHelp("The tuple, such as user=u17 device=9f3c.", valueName: "dim=value"))
    var entities: [EntityArgument] = []

    @Option(help: ArgumentHelp("Only this rule's counters.", valueName: "name"))
    var rule: String?

    @Option(help: ArgumentHelp("Who asks (your login name unless given).", valueName: "who"))
    var by: String?

    @Option(help: ArgumentHelp("Why.", valueName: "text"))
    var reason: String?

    @Flag(help: "Do not ask.")
    var yes = false

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        try entities.validate()
        guard !entities.isEmpty || rule != nil else {
            throw ValidationError(
                "Say whose counters to forget, such as user=u17, or name a --rule without dimensions.")
        }
    }

    func run() async throws {
        let environment = Environment()
        let endpoint = try admin.endpoint(environment: environment)
        let response = try await withClient(of: endpoint) { client in
            if !yes, !output.json, Confirmation.isPossible { try await confirm(client) }
            var request = WireResetRequest()
            request.entities = entities.wire
            request.rule = rule ?? ""
            request.by = by ?? environment["SUDO_USER"] ?? environment["USER"] ?? ""
            request.reason = reason ?? ""
            return try await client.reset(request)
        }
        if output.json {
            try Output.print(["removed": .integer(response.removed)])
        } else if response.removed == 0 {
            try Output.print(["nothing was counted for exactly \(whom)"])
        } else {
            let counters = response.removed == 1 ? "1 counter" : "\(NumberWords.grouped(response.removed)) counters"
            try Output.print(["forgot \(counters) of \(whom)"])
        }
    }

    /// Shows what would be forgotten, and asks.
    private func confirm(_ client: SluiceClient) async throws {
        var request = WireInspectRequest()
        request.entities = entities.wire
        var response = try await client.inspect(request)
        let dimensions = Set(entities.map(\.dimension))
        response.usages.removeAll { usage in
            Set(usage.per.map(\.dimension)) != dimensions || rule.map { $0 != usage.rule } ?? false
        }
        let lines = UsageReport(response, of: entities).lines(for: .standardOutput(environment: Environment()))
        Output.printError(lines.joined(separator: "\n"))
        let what = rule.map { "the counters of \($0.printable)" } ?? "all counters"
        guard Confirmation.ask("forget \(what) of \(whom)?") else {
            throw Failure(.differ, "nothing was reset")
        }
    }

    private var whom: String { entities.isEmpty ? "all requests together" : entities.words }
}
