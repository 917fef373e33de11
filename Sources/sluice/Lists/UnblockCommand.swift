import ArgumentParser
import SluiceClient
import SluiceWire

struct UnblockCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unblock",
        abstract: "Take an entity off the lists, and lift the blocks of limits.",
        discussion: """
            Takes the entity off whichever list it was put on by sluice block, allow or watch, and lifts the blocks \
            that limits (block_for) hold on exactly the tuple given. What is counted stays: a limit that is full still \
            refuses, and sluice reset empties it.

              $ sluice unblock user=u17
              $ sluice unblock user=u17 device=9f3c    what limits block the two together for
              $ sluice unblock --everyone              what a limit of a rule with "per: []" blocks everyone for

            What is on a list of the limits file comes off it by an edit of that file alone.
            """
    )

    @Argument(help: ArgumentHelp("The entity or the tuple, such as user=u17.", valueName: "dim=value"))
    var entities: [EntityArgument] = []

    @Flag(help: "Lift the blocks of rules that count everyone together.")
    var everyone = false

    @Option(help: ArgumentHelp("Why.", valueName: "text"))
    var reason: String?

    @Option(help: ArgumentHelp("Who asks (your login name unless given).", valueName: "who"))
    var by: String?

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        try entities.validate()
        guard entities.isEmpty == everyone else {
            throw ValidationError("Name an entity or a tuple, such as user=u17, or --everyone.")
        }
        for entity in entities { try entity.validateValue() }
    }

    func run() async throws {
        let environment = Environment()
        let endpoint = try admin.endpoint(environment: environment)
        let report = try await withClient(of: endpoint) { client in
            var request = WireSetListingRequest()
            request.entities = entities.wire
            request.action = .remove
            request.reason = reason ?? ""
            request.by = by ?? environment.loginName
            let response = try await client.setListing(request)
            var inspection = WireInspectRequest()
            inspection.entities = entities.wire
            // Everyone together is on no list.
            let listings = everyone ? [] : try await client.allListings(of: entities)
            return UnblockReport(
                response, of: entities, listings: listings,
                usages: try await client.inspect(inspection).usages)
        }
        try report.print(as: output, on: .standardOutput(environment: environment))
    }
}

/// What an unblock has done, and what still stands in the way.
struct UnblockReport: Report {
    private let response: WireSetListingResponse
    private let entities: [EntityArgument]
    /// What the entities are on all the same: the limits file's, or of a network around them.
    private let listings: [WireListing]
    /// Enforced limits of exactly this tuple that are full.
    private let full: [WireUsage]

    init(
        _ response: WireSetListingResponse, of entities: [EntityArgument], listings: [WireListing], usages: [WireUsage]
    ) {
        self.response = response
        self.entities = entities
        self.listings = listings
        let tuple = Set(entities.map(\.dimension))
        full = usages.filter {
            Set($0.per.map(\.dimension)) == tuple && !$0.shadow && $0.used >= $0.max && $0.max > 0
        }
    }

    private var who: String { entities.isEmpty ? "everyone" : entities.words }

    func lines(for terminal: Terminal) -> [String] {
        var lines: [String] = []
        if response.changed { lines.append("\(who) is off the list") }
        if response.liftedBlocks > 0 {
            let blocks = response.liftedBlocks == 1 ? "1 block" : "\(NumberWords.grouped(response.liftedBlocks)) blocks"
            lines.append("lifted \(blocks) of \(who)")
        }
        if lines.isEmpty { lines.append("nothing blocked \(who), and it was on no list of its own") }
        lines += listings.map { "still \(ListingReport.words(for: $0))" }
        if !full.isEmpty {
            lines += full.map {
                "still full: \($0.rule.printable), \($0.limit.printable), "
                    + "\(NumberWords.grouped($0.used))/\(NumberWords.grouped($0.max))"
            }
            let what = entities.isEmpty ? "--rule \(full[0].rule.printable)" : entities.words
            lines.append("to let it in now: sluice reset \(what)")
        }
        return lines
    }

    var json: JSON {
        [
            "changed": .bool(response.changed),
            "lifted_blocks": .integer(response.liftedBlocks),
            "listings": .list(listings.map(ListingReport.json)),
            "full": .list(full.map(UsageReport.json)),
        ]
    }
}
