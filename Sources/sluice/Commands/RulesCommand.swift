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
              $ sluice rules --yaml > limits-in-force.yaml
              $ sluice rules --json | jq '.rules[].name'
            """
    )

    @Flag(help: "Print the limits file as the service read it; with --json, add it under 'yaml'.")
    var yaml = false

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let environment = Environment()
        let endpoint = try admin.endpoint(environment: environment)
        let response = try await withClient(of: endpoint) { try await $0.rules() }
        let report = RulesReport(response)
        if output.json {
            try Output.print(report.json(withYAML: yaml))
        } else if yaml {
            var output = Output.standard
            try output.write(response.yaml.utf8)
            try output.flush()
        } else {
            try Output.print(report.lines(for: .standardOutput(environment: environment)))
        }
    }
}
