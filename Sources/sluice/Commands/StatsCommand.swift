import ArgumentParser
import SluiceClient
import SluiceWire

struct StatsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats",
        abstract: "Show the service's own counters.",
        discussion: """
            The same numbers as /metrics, of one service process, since it started.

              $ sluice stats
              $ sluice stats --json | jq '.stats'
            """
    )

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let environment = Environment()
        let endpoint = try admin.endpoint(environment: environment)
        let stats = try await withClient(of: endpoint) { try await $0.stats().stats }
        if output.json {
            try Output.print([
                "stats": .object(stats.map { (key: $0.name, value: .number($0.value)) })
            ])
        } else {
            var table = Table("NAME", " VALUE")
            for stat in stats {
                table.add(.init(stat.name.printable), .init(JSON.spell(stat.value)))
            }
            try Output.print(table.lines(for: .standardOutput(environment: environment)))
        }
    }
}
