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
              $ sluice stats --filter redis
              $ sluice stats --filter rule=\\"login --watch
              $ sluice stats --all --filter request_duration     with every bucket of the histogram
              $ sluice stats --json | jq '.stats'
            """
    )

    @Option(help: ArgumentHelp("Only what has this text in its name or labels.", valueName: "text"))
    var filter: String?

    @Flag(help: "Also the buckets of histograms.")
    var all = false

    @OptionGroup var watching: WatchOptions
    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let endpoint = try admin.endpoint(environment: Environment())
        try await show(as: output, watching: watching, at: endpoint) { client in
            StatsReport(try await client.stats().stats, filter: filter, showsBuckets: all)
        }
    }
}
