import ArgumentParser
import SluiceClient
import SluiceModel
import SluiceWire

struct ListingsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "listings",
        abstract: "Show what is on the deny, allow and watch lists.",
        discussion: """
            Shows what was put on a list by sluice block, allow or watch, and then what the limits file lists. With \
            entities, only what those are on, with the networks around them.

              $ sluice listings
              $ sluice listings ip=203.0.113.9
              $ sluice listings --json | jq '.listings[] | select(.kind == "deny")'
            """
    )

    @Argument(help: ArgumentHelp("Only what these are on, such as user=u17.", valueName: "dim=value"))
    var entities: [EntityArgument] = []

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        try entities.validate()
        for entity in entities { try entity.validateValue() }
    }

    func run() async throws {
        let environment = Environment()
        let endpoint = try admin.endpoint(environment: environment)
        let report = try await withClient(of: endpoint) { client in
            ListingReport(try await client.allListings(of: entities), of: entities)
        }
        try report.print(as: output, on: .standardOutput(environment: environment))
    }
}

extension SluiceClient {
    /// Every page of what is listed.
    ///
    /// - Parameter entities: what the listings are to be of; empty: anything.
    func allListings(of entities: [EntityArgument]) async throws(SluiceClientError) -> [WireListing] {
        var request = WireListingsRequest()
        request.entities = entities.wire
        request.count = UInt32(Caps.listingsPerPage)
        var listings: [WireListing] = []
        repeat {
            let page = try await self.listings(request)
            listings += page.listings
            request.after = page.next
        } while !request.after.isEmpty
        return listings
    }

    /// None where the service is too old to keep lists.
    func listingsIfServed(of entities: [EntityArgument]) async throws(SluiceClientError) -> [WireListing] {
        do throws(SluiceClientError) {
            return try await allListings(of: entities)
        } catch .status(.unimplemented, _) {
            return []
        }
    }
}
