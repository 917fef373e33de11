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
              $ sluice stats --filter redis                those whose name has it
              $ sluice stats --all                         the buckets of histograms too
              $ sluice stats --json | jq '.stats'
            """
    )

    @Option(help: ArgumentHelp("Only series whose name or labels contain this.", valueName: "text"))
    var filter: String?

    @Flag(help: "Show the buckets of histograms as well.")
    var all = false

    @OptionGroup var watching: WatchOptions
    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let environment = Environment()
        let endpoint = try admin.endpoint(environment: environment)
        try await withClient(of: endpoint) { client in
            try await watching.show {
                let stats = try await client.stats().stats.filter { filter == nil || $0.name.contains(filter!) }
                guard !output.json else {
                    let members = stats.map { (key: $0.name, value: JSON.number($0.value)) }
                    return [JSON.object([(key: "stats", value: .object(members))]).line]
                }
                var table = Table("NAME", " VALUE")
                for stat in stats where all || !stat.name.contains("_bucket{") {
                    table.add(.init(stat.name.printable), .init(JSON.spell(stat.value)))
                }
                return table.lines(for: .standardOutput(environment: environment))
            }
        }
    }
}
