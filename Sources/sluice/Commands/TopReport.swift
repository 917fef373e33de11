import SluiceWire

/// An answer to `sluice top`, in words and in JSON.
struct TopReport: Report {
    private let response: WireTopResponse
    private let ranking: TopCommand.Ranking

    init(_ response: WireTopResponse, by ranking: TopCommand.Ranking) {
        self.response = response
        self.ranking = ranking
    }

    /// A table for each dimension. The value stands last: it may be long, and the numbers stay in view.
    func lines(for terminal: Terminal) -> [String] {
        var lines = [headline]
        var rest = response.entries[...]
        while let dimension = rest.first?.entity.dimension {
            let entries = rest.prefix { $0.entity.dimension == dimension }
            rest = rest[entries.endIndex...]
            var table = Table(" COUNT", " PER SECOND", " ERROR", "VALUE")
            for entry in entries {
                table.add(
                    .init(NumberWords.grouped(entry.count)),
                    .init(perSecond(entry.count)),
                    .init(NumberWords.grouped(entry.error)),
                    .init(entry.entity.printableValue)
                )
            }
            lines += ["", terminal.coloured(dimension.printable, .bold)] + table.lines(for: terminal, indent: 2)
        }
        return lines
    }

    private var headline: String {
        let window = response.windowMs > 0 ? "the last \(DurationWords.spell(ms: response.windowMs))" : "no time at all"
        let what =
            switch ranking {
            case .busy: response.entries.isEmpty ? "nothing was checked" : "most checks"
            case .refused: response.entries.isEmpty ? "nothing was denied" : "most denials"
            }
        return "\(what) in \(window), generation \(response.generation)"
    }

    private func perSecond(_ count: UInt64) -> String {
        guard response.windowMs > 0 else { return "-" }
        return NumberWords.fixed(Double(count) * 1_000 / Double(response.windowMs), digits: 1)
    }

    var json: JSON {
        [
            "by": .text(ranking.rawValue),
            "window_ms": .integer(response.windowMs),
            "generation": .integer(response.generation),
            "entries": .list(response.entries.map(Self.json)),
        ]
    }

    private static func json(_ entry: WireTopEntry) -> JSON {
        var members: [(key: String, value: JSON)] = [
            ("dimension", .text(entry.entity.dimension)),
            ("value", .text(entry.entity.replacedText)),
            ("count", .integer(entry.count)),
            ("error", .integer(entry.error)),
        ]
        if entry.entity.text == nil { members.append(("value_hex", .text(entry.entity.hex))) }
        return .object(members)
    }
}
