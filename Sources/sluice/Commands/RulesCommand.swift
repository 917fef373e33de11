import ArgumentParser
import SluiceClient
import SluiceWire

struct RulesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rules",
        abstract: "Show the rules in force.",
        discussion: """
            Shows which generation of the limits file decides, where it came from, and whether the last reload failed.

              $ sluice rules
              $ sluice rules --watch                       with what each judges and trips
              $ sluice rules --yaml > limits-in-force.yaml
              $ sluice rules --json | jq '.rules[].name'
            """
    )

    @Flag(help: "Print the limits file as the service read it; with --json, add it under 'yaml'.")
    var yaml = false

    @OptionGroup var watching: WatchOptions
    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let environment = Environment()
        let endpoint = try admin.endpoint(environment: environment)
        try await withClient(of: endpoint) { client in
            if yaml, !output.json {
                var output = Output.standard
                try output.write(try await client.rules().yaml.utf8)
                return try output.flush()
            }
            try await watching.show {
                let response = try await client.rules()
                // The rules are worth showing even where the counts cannot be had.
                let counts = try? await client.stats().stats
                let report = RulesReport(response, counts: RuleCounts(counts ?? []))
                return output.json
                    ? [report.json(withYAML: yaml).line] : report.lines(for: .standardOutput(environment: environment))
            }
        }
    }
}
