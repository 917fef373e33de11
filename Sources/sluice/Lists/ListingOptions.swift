import ArgumentParser
import SluiceClient
import SluiceModel
import SluiceWire

/// What it takes to put an entity on a list: all of `block`, `allow` and `watch`.
struct ListingOptions: ParsableArguments {
    @Argument(
        help: ArgumentHelp("The entity, such as user=u17, or a network: ip=203.0.113.0/24.", valueName: "dim=value"))
    var entity: EntityArgument

    @Option(name: .customLong("for"), help: ArgumentHelp("For how long, such as 1h (for good).", valueName: "duration"))
    var length: DurationArgument?

    @Option(help: ArgumentHelp("Why.", valueName: "text"))
    var reason: String?

    @Option(help: ArgumentHelp("Who asks (your login name unless given).", valueName: "who"))
    var by: String?

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        try entity.validateValue()
        if let length, !(1...Caps.listingMs).contains(length.ms) {
            throw ValidationError("The value of '--for' must be from 1ms to 3650d.")
        }
        guard reason?.utf8.count ?? 0 <= Caps.listingReasonBytes else {
            throw ValidationError("The value of '--reason' must be at most \(Caps.listingReasonBytes) bytes long.")
        }
        guard by?.utf8.count ?? 0 <= Caps.listingByBytes else {
            throw ValidationError("The value of '--by' must be at most \(Caps.listingByBytes) bytes long.")
        }
    }

    func put(on kind: ListKind) async throws {
        let environment = Environment()
        let endpoint = try admin.endpoint(environment: environment)
        let response = try await withClient(of: endpoint) { client in
            if isNetwork, try await !client.takesNetworks(of: entity.dimension) {
                Output.printError(
                    "sluice: note: the limits in force do not declare \(entity.dimension) as type ip: "
                        + "this lists the one value \(entity.value.printable), and no network")
            }
            var request = WireSetListingRequest()
            request.entities = [entity].wire
            request.action = WireListing.Kind(kind)
            request.forMs = length?.ms ?? 0
            request.reason = reason ?? ""
            request.by = by ?? environment.loginName
            return try await client.setListing(request)
        }
        if output.json {
            try Output.print([
                "changed": .bool(response.changed),
                "until_ms": .optional(response.untilMs > 0 ? response.untilMs : nil),
            ])
        } else {
            let already = response.changed ? "" : " already"
            let end = response.untilMs > 0 ? "until \(TimeWords.spell(ms: response.untilMs))" : "for good"
            try Output.print(["\(entity.words) is on the \(kind.name) list \(end)\(already)"])
        }
    }

    private var isNetwork: Bool { entity.value.contains("/") && (try? IPNetwork(entity.value)) != nil }
}

extension SluiceClient {
    /// Whether the limits in force take values of `dimension` as addresses. Yes where they cannot be read here.
    fileprivate func takesNetworks(of dimension: String) async throws(SluiceClientError) -> Bool {
        guard let file = try await rules().parsedFile else { return true }
        if case .ip = file.normalizers[dimension] { return true }
        return false
    }
}

extension Environment {
    /// Who asks, unless told otherwise.
    var loginName: String { self["SUDO_USER"] ?? self["USER"] ?? "" }
}
