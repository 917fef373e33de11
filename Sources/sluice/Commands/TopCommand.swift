import ArgumentParser
import SluiceClient
import SluiceWire

struct TopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Show the busiest or the most refused entities.",
        discussion: """
            Shows, dimension by dimension, which entities came up most in the last minute or two, by the estimate of \
            one service process. COUNT is an upper bound, too high by ERROR at most.

              $ sluice top                                     checks that named them
              $ sluice top --by refused                        checks that named them and were denied
              $ sluice top --by refused --dimension ip --count 50
              $ sluice top --watch --every 5s                  until Ctrl-C
              $ sluice top --json | jq '.entries[] | select(.count > 1000)'
            """
    )

    enum Ranking: String, CaseIterable, ExpressibleByArgument {
        case busy
        case refused
    }

    @Option(help: ArgumentHelp("Rank by all checks, or by those denied.", valueName: "busy|refused"))
    var by: Ranking = .busy

    @Option(help: ArgumentHelp("Only this dimension (all that the rules name).", valueName: "dim"))
    var dimension: String?

    @Option(help: ArgumentHelp("How many entities of each dimension, 1 to 100.", valueName: "n"))
    var count: UInt32 = 10

    @OptionGroup var watching: WatchOptions
    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if let dimension, !EntityArgument.isDimension(dimension.utf8) {
            throw ValidationError("The value of '--dimension' must be a dimension, such as user: 1 to 32 of [a-z0-9_].")
        }
        guard (1...100).contains(count) else {
            throw ValidationError("The value of '--count' must be from 1 to 100.")
        }
    }

    func run() async throws {
        let endpoint = try admin.endpoint(environment: Environment())
        try await show(as: output, watching: watching, at: endpoint) { [request, by] client in
            TopReport(try await client.top(request), by: by)
        }
    }

    private var request: WireTopRequest {
        var request = WireTopRequest()
        switch by {
        case .busy: request.by = .busy
        case .refused: request.by = .refused
        }
        request.dimension = dimension ?? ""
        request.count = count
        return request
    }
}
