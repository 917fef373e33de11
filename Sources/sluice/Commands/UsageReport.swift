import SluiceModel
import SluiceWire

/// An answer to `sluice inspect`, in words and in JSON.
struct UsageReport: Report {
    private let response: WireInspectResponse
    private let entities: [EntityArgument]

    init(_ response: WireInspectResponse, of entities: [EntityArgument]) {
        self.response = response
        self.entities = entities
    }

    func lines(for terminal: Terminal) -> [String] {
        guard !response.usages.isEmpty else {
            let whom = entities.isEmpty ? "all requests together" : entities.words
            return ["no rule of generation \(response.generation) limits \(whom)"]
        }
        return Self.table(of: response.usages, for: terminal).lines(for: terminal)
            + ["generation \(response.generation)"]
    }

    /// A row a limit, in the order given.
    static func table(of usages: [WireUsage], for terminal: Terminal) -> Table {
        var table = Table(
            "RULE", "PER", "MEASURE", "LIMIT", " USED/MAX", "FULL", "VERDICT", "FREES UP IN", "BLOCKED FOR", "NOTE"
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
                usage.blockedMs > 0 ? .init(DurationWords.spell(ms: usage.blockedMs), .red) : "",
                usage.shadow ? "shadow" : ""
            )
        }
        return table
    }

    var json: JSON {
        [
            "generation": .integer(response.generation),
            "usages": .list(response.usages.map(Self.json)),
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
        ]
    }
}
