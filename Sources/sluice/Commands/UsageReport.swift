import SluiceModel
import SluiceWire

/// An answer to `sluice inspect`, in words and in JSON.
struct UsageReport {
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
        var table = Table(
            "RULE", "PER", "MEASURE", "LIMIT", "FULL", " USED/MAX", "WINDOW", "VERDICT", "FREES UP IN", "BLOCKED FOR",
            "NOTE"
        )
        for usage in response.usages {
            let verdict = Verdict(usage.verdict) ?? .deny
            let isFull = usage.used >= usage.max
            table.add(
                .init(usage.rule.printable),
                .init(usage.per.isEmpty ? "all" : usage.per.map(Self.words).joined(separator: " ")),
                .init(usage.measure.printable),
                .init(usage.limit.printable),
                .init(
                    FillBar.text(usage.used, of: usage.max, isUnicode: terminal.isUnicode),
                    Self.colour(usage, verdict)),
                .init(
                    "\(NumberWords.grouped(usage.used))/\(NumberWords.grouped(usage.max))",
                    isFull ? Colour(verdict) : nil
                ),
                .init(DurationText.spell(ms: usage.windowMs)),
                .init(verdict.name, isFull ? Colour(verdict) : nil),
                usage.resetMs > 0 ? .init(DurationWords.spell(ms: usage.resetMs)) : "-",
                usage.blockedMs > 0 ? .init(DurationWords.spell(ms: usage.blockedMs), .red) : "",
                usage.shadow ? "shadow" : ""
            )
        }
        return table.lines(for: terminal) + ["generation \(response.generation)"]
    }

    /// Of the bar: green with room to spare, yellow from four fifths on, the verdict's when full.
    private static func colour(_ usage: WireUsage, _ verdict: Verdict) -> Colour {
        if usage.used >= usage.max { return Colour(verdict) }
        return Double(usage.used) >= 0.8 * Double(usage.max) ? .yellow : .green
    }

    var json: JSON {
        [
            "generation": .integer(response.generation),
            "usages": .list(response.usages.map(Self.json)),
        ]
    }

    private static func json(_ usage: WireUsage) -> JSON {
        [
            "rule": .text(usage.rule),
            "limit": .text(usage.limit),
            "per": .object(usage.per.map { (key: $0.dimension, value: .text(text(of: $0))) }),
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

    /// The values come back from what this program sent, which was UTF-8.
    private static func text(of entity: WireEntity) -> String {
        String(decoding: entity.value, as: UTF8.self)
    }

    private static func words(_ entity: WireEntity) -> String {
        "\(entity.dimension.printable)=\(text(of: entity).printable)"
    }
}
