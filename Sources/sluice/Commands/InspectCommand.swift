import ArgumentParser
import SluiceClient
import SluiceWire

struct InspectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show every limit of an entity, and how much of it is used.",
        discussion: """
            Shows each limit whose dimensions are all among those given, with overrides as these entities choose them, \
            and how full it is; above them, which lists the entities are on.

              $ sluice inspect user=u17
              $ sluice inspect user=u17 device=9f3c        also what is counted per user and device together
              $ sluice inspect user=u17 --watch            again every 2 s, until Ctrl-C
              $ sluice inspect user=u17 --json | jq '.usages[] | select(.used >= .max)'

            FREES UP IN is when the counter will be empty if nothing else comes. BLOCKED is how long a block of \
            block_for still stands, and its step.
            """
    )

    @Argument(help: ArgumentHelp("The entities, such as user=u17.", valueName: "dim=value"))
    var entities: [EntityArgument] = []

    @OptionGroup var watching: WatchOptions
    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        try entities.validate()
    }

    func run() async throws {
        let endpoint = try admin.endpoint(environment: Environment())
        var request = WireInspectRequest()
        request.entities = entities.wire
        try await show(as: output, watching: watching, at: endpoint) { [request, entities] client in
            let listings = entities.isEmpty ? [] : try await client.listingsIfServed(of: entities)
            return UsageReport(try await client.inspect(request), of: entities, listings: listings)
        }
    }
}
