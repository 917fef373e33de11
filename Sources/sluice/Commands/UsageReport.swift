import SluiceModel
import SluiceWire

/// An answer to `sluice inspect`, in words and in JSON.
struct UsageReport: Report {
    private let response: WireInspectResponse
    private let entities: [EntityArgument]
    /// What the entities are on.
    private let listings: [WireListing]

    init(_ response: WireInspectResponse, of entities: [EntityArgument], listings: [WireListing]) {
        self.response = response
        self.entities = entities
        self.listings = listings
    }

    func lines(for terminal: Terminal) -> [String] {
        let listed = listings.map {
            terminal.coloured(ListingReport.words(for: $0), ListingReport.colour(of: $0.kind))
        }
        guard !response.usages.isEmpty else {
            let whom = entities.isEmpty ? "all requests together" : entities.words
            return listed + ["no rule of generation \(response.generation) limits \(whom)"]
        }
        return listed + Self.table(of: response.usages, for: terminal).lines(for: terminal)
            + ["generation \(response.generation)"]
    }

    /// A row a limit, in the order given.
    static func table(of usages: [WireUsage], for terminal: Terminal) -> Table {
        var table = Table(
            "RULE", "PER", "MEASURE", "LIMIT", " USED/MAX", "FULL", "VERDICT", "FREES UP IN", "BLOCKED", "NOTE"
        )
        for usage in usages {
            let verdict = Verdict(usage.verdict) ?? .deny
            let isFull = usage.used >= usage.max
            table.add(
                .init(usage.rule.printable),
                .init(usage.per.isEmpty ? "all" : usage.per.map(\.words).joined(separator: " ")),
                .init(usage.measure.printable),
                .init(usage.limit.printable),
                .init("\(NumberWords.grouped(usage.used))/\(NumberWords.grouped(usage.max))"),
                FillBar.cell(usage.used, of: usage.max, for: terminal),
                .init(verdict.name, isFull ? Colour(verdict) : nil),
                usage.resetMs > 0 ? .init(DurationWords.spell(ms: usage.resetMs)) : "-",
                usage.blockedMs > 0 ? .init(blockWords(for: usage), .red) : "",
                usage.shadow ? "shadow" : ""
            )
        }
        return table
    }

    /// `1h (step 2)`: how long the block still stands, and which step of `block_for` it is.
    private static func blockWords(for usage: WireUsage) -> String {
        let left = DurationWords.spell(ms: usage.blockedMs)
        return usage.blockStep > 0 ? "\(left) (step \(usage.blockStep))" : left
    }

    var json: JSON {
        [
            "generation": .integer(response.generation),
            "usages": .list(response.usages.map(Self.json)),
            "listings": .list(listings.map(ListingReport.json)),
        ]
    }

    static func json(_ usage: WireUsage) -> JSON {
        [
            "rule": .text(usage.rule),
            "limit": .text(usage.limit),
            "per": .object(usage.per.map { (key: $0.dimension, value: .text($0.replacedText)) }),
            "measure": .text(usage.measure),
            "window_ms": .integer(usage.windowMs),
            "max": .integer(usage.max),
            "used": .integer(usage.used),
            "verdict": .text((Verdict(usage.verdict) ?? .deny).name),
            "shadow": .bool(usage.shadow),
            "reset_ms": .integer(usage.resetMs),
            "blocked_ms": .integer(usage.blockedMs),
            "block_step": .integer(UInt64(usage.blockStep)),
        ]
    }
}
