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
              $ sluice reset user=u17 device=9f3c --by support-desk
              $ sluice reset --rule site-wide   a rule that has no dimensions
              $ sluice reset user=u17 --yes           ask nothing

            On a terminal it shows what would be forgotten and asks first; any answer but y or yes resets nothing, with \
            exit status 1. In a script, and with --json, it asks nothing. Who asked and why goes to the service's log.
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

    @Flag(help: "Do not ask for confirmation.")
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
            if !yes, !output.json, Confirmation.isPossible {
                try await confirm(client, .standardOutput(environment: environment))
            }
            var request = WireResetRequest()
            request.entities = entities.wire
            request.rule = rule ?? ""
            request.by = by ?? environment.loginName
            request.reason = reason ?? ""
            return try await client.reset(request)
        }
        if output.json {
            try Output.print(["removed": .integer(response.removed)])
        } else if response.removed == 0 {
            try Output.print(["nothing was counted for exactly \(whom)"])
        } else {
            try Output.print(["forgot \(ResetPreview.counters(response.removed)) of \(whom)"])
        }
    }

    /// - Throws: a `Failure` unless the answer is yes. Where no rule in force counts anything there is nothing to ask.
    private func confirm(_ client: SluiceClient, _ terminal: Terminal) async throws {
        var request = WireInspectRequest()
        request.entities = entities.wire
        let preview = ResetPreview(try await client.inspect(request), of: entities, rule: rule)
        guard !preview.isEmpty else { return }
        preview.lines(for: terminal).forEach { Output.printError($0) }
        guard try Confirmation.ask(preview.question(of: whom)) else { throw Failure(.differ, "nothing was reset") }
    }

    private var whom: String { entities.isEmpty ? "all requests together" : entities.words }
}
