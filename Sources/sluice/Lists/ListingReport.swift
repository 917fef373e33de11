import SluiceModel
import SluiceWire

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// An answer to `sluice listings`, in words and in JSON.
struct ListingReport: Report {
    private let listings: [WireListing]
    private let entities: [EntityArgument]

    init(_ listings: [WireListing], of entities: [EntityArgument]) {
        self.listings = listings
        self.entities = entities
    }

    /// The reason stands last: it may be long, and the rest stays in view.
    func lines(for terminal: Terminal) -> [String] {
        guard !listings.isEmpty else {
            return [entities.isEmpty ? "nothing is listed" : "\(entities.words): on no list"]
        }
        var table = Table("LIST", "ENTITY", "UNTIL", "SINCE", "BY", "REASON")
        for listing in listings {
            table.add(
                .init(Self.name(of: listing.kind), Self.colour(of: listing.kind)),
                .init(listing.entity.words),
                .init(listing.untilMs > 0 ? TimeWords.spell(ms: listing.untilMs) : "for good"),
                .init(listing.fromFile ? "" : TimeWords.spell(ms: listing.sinceMs)),
                .init(listing.fromFile ? "the limits file" : listing.by.printable),
                .init(listing.reason.printable)
            )
        }
        return table.lines(for: terminal)
    }

    var json: JSON { ["listings": .list(listings.map(Self.json))] }

    static func json(_ listing: WireListing) -> JSON {
        var members: [(key: String, value: JSON)] = [
            ("kind", .text(name(of: listing.kind))),
            ("dimension", .text(listing.entity.dimension)),
            ("value", .text(listing.entity.replacedText)),
            ("since_ms", .optional(listing.fromFile ? nil : listing.sinceMs)),
            ("until_ms", .optional(listing.untilMs > 0 ? listing.untilMs : nil)),
            ("by", .text(listing.by)),
            ("reason", .text(listing.reason)),
            ("from_file", .bool(listing.fromFile)),
        ]
        if listing.entity.text == nil { members.append(("value_hex", .text(listing.entity.hex))) }
        return .object(members)
    }

    /// One listing as a line: `on the deny list: user=u17, until ..., by alice: card testing`.
    static func words(for listing: WireListing) -> String {
        var line = "on the \(name(of: listing.kind)) list: \(listing.entity.words), "
        line += listing.untilMs > 0 ? "until \(TimeWords.spell(ms: listing.untilMs))" : "for good"
        if listing.fromFile { line += ", by the limits file" }
        if !listing.by.isEmpty { line += ", by \(listing.by.printable)" }
        if !listing.reason.isEmpty { line += ": \(listing.reason.printable)" }
        return line
    }

    static func colour(of kind: WireListing.Kind) -> Colour? {
        switch ListKind(kind) {
        case .deny: Colour(.deny)
        case .allow: Colour(.allow)
        case .watch: Colour(.review)
        case nil: nil
        }
    }

    private static func name(of kind: WireListing.Kind) -> String { ListKind(kind)?.name ?? "unknown" }
}

/// A moment, as people and programs read it alike.
enum TimeWords {
    /// - Parameter ms: Unix ms.
    static func spell(ms: UInt64) -> String {
        Date(timeIntervalSince1970: Double(ms) / 1_000).ISO8601Format()
    }
}
