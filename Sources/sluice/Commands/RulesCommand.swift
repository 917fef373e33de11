import ArgumentParser
import SluiceClient
import SluiceWire

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

struct RulesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rules",
        abstract: "Show the rules in force.",
        discussion: """
            Shows which generation of the limits file decides, where it came from, whether the last reload failed, and \
            how often each rule judged and tripped since the service started.

              $ sluice rules
              $ sluice rules --watch
              $ sluice rules --yaml > limits-in-force.yaml
              $ sluice rules --json | jq '.rules[] | select(.tripped > 0) | .name'
            """
    )

    @Flag(help: "Print the limits file as the service read it; with --json, add it under 'yaml'.")
    var yaml = false

    @OptionGroup var watching: WatchOptions
    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard !(yaml && watching.watch) else {
            throw ValidationError("'--yaml' prints a file, '--watch' a picture: choose one.")
        }
    }

    func run() async throws {
        let endpoint = try admin.endpoint(environment: Environment())
        if yaml, !output.json {
            let response = try await withClient(of: endpoint) { try await $0.rules() }
            var output = Output.standard
            try output.write(response.yaml.utf8)
            try output.flush()
        } else {
            try await show(as: output, watching: watching, at: endpoint) { [yaml] client in
                let response = try await client.rules()
                // The rules are worth showing without their counts.
                let stats = try? await client.stats().stats
                let nowMs = UInt64(max(Date().timeIntervalSince1970 * 1_000, 0))
                return RulesReport(response, counts: stats.flatMap(RuleCounts.init), nowMs: nowMs, withYAML: yaml)
            }
        }
    }
}
