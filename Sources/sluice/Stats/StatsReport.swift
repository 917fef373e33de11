import SluiceWire

/// An answer to `sluice stats`, in words and in JSON.
struct StatsReport: Report {
    private let stats: [WireStat]
    private let filter: String?
    private let showsBuckets: Bool

    /// - Parameters:
    ///   - filter: only series with this in their name or labels, in whatever case.
    ///   - showsBuckets: whether the words list the buckets of histograms; JSON has them anyway.
    init(_ stats: [WireStat], filter: String? = nil, showsBuckets: Bool = false) {
        let wanted = filter?.lowercased()
        self.stats = stats.filter { stat in wanted.map { stat.name.lowercased().contains($0) } ?? true }
        self.filter = filter
        self.showsBuckets = showsBuckets
    }

    func lines(for terminal: Terminal) -> [String] {
        guard !stats.isEmpty else { return ["no series has \"\((filter ?? "").printable)\" in its name"] }
        var table = Table("NAME", " VALUE")
        var (family, hidden): (Substring, Int) = ("", 0)
        for stat in stats {
            let (name, labels) = Self.split(stat.name)
            guard showsBuckets || !name.hasSuffix("_bucket") else {
                hidden += 1
                continue
            }
            // The labels of a family stand under its name, which is long and the same for all of them.
            if labels.isEmpty {
                table.add(.init(name.printable), .init(JSON.spell(stat.value)))
            } else {
                if name != family { table.add(.init(name.printable), "") }
                table.add(.init("  \(labels.printable)"), .init(JSON.spell(stat.value)))
            }
            family = name
        }
        let note = hidden == 1 ? "1 histogram bucket not shown" : "\(hidden) histogram buckets not shown"
        let lines = table.isEmpty ? [] : table.lines(for: terminal)
        return lines + (hidden > 0 ? [terminal.coloured("\(note); --all shows them", .faint)] : [])
    }

    private static func split(_ name: String) -> (family: Substring, labels: Substring) {
        guard let brace = name.firstIndex(of: "{"), name.last == "}" else { return (name[...], "") }
        return (name[..<brace], name[brace...].dropFirst().dropLast())
    }

    var json: JSON {
        ["stats": .object(stats.map { (key: $0.name, value: .number($0.value)) })]
    }
}
