import SluiceModel
import SluiceWire

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// An answer to `sluice rules`, in words and in JSON.
struct RulesReport: Report {
    private let response: WireRulesResponse
    /// Nil where the service runs rules that this program's version cannot read.
    private let rules: [Rule]?
    private let counts: RuleCounts?
    private let nowMs: UInt64
    private let withYAML: Bool

    /// - Parameters:
    ///   - counts: nil where the service does not tell.
    ///   - nowMs: unix ms, for the age of the rules.
    ///   - withYAML: whether JSON has the text of the limits file.
    init(_ response: WireRulesResponse, counts: RuleCounts?, nowMs: UInt64, withYAML: Bool = false) {
        self.response = response
        self.counts = counts
        self.nowMs = nowMs
        self.withYAML = withYAML
        rules = response.parsedRules
    }

    // MARK: Words

    func lines(for terminal: Terminal) -> [String] {
        var lines: [String] = []
        if !response.lastError.isEmpty {
            lines.append(terminal.coloured("THE LAST RELOAD FAILED; the rules below stay in force", .red))
            lines += response.lastError.split(separator: "\n").map { "  \($0.printable)" } + [""]
        }
        lines += [
            "generation  \(response.generation)",
            "source      \(response.source.printable)",
            "sha256      \(response.sha256.printable)",
            "loaded      \(age)\(loadedAt)",
        ]
        guard let rules else {
            return lines + ["", "these rules need a newer sluice to be listed; --yaml prints them"]
        }
        lines.append("")
        return lines + table(of: rules).lines(for: terminal)
    }

    private var loadedAt: String {
        Date(timeIntervalSince1970: Double(response.loadedAtMs) / 1_000).ISO8601Format()
    }

    /// In whole seconds; nothing where the clocks disagree.
    private var age: String {
        guard nowMs >= response.loadedAtMs else { return "" }
        let seconds = (nowMs - response.loadedAtMs) / 1_000
        return seconds == 0 ? "just now, " : "\(DurationWords.spell(ms: seconds * 1_000)) ago, "
    }

    private func table(of rules: [Rule]) -> Table {
        var table = Table(
            "RULE", "CHECK", "COUNT", "PER", "MEASURE", "LIMITS", " OVERRIDES", " JUDGED", " TRIPPED", "SHARE", "NOTE"
        )
        for rule in rules {
            let counts = counts?[rule.name]
            var notes: [String] = []
            if rule.shadow { notes.append("shadow") }
            if rule.counting == .attempts { notes.append("counts attempts") }
            if !rule.when.isEmpty { notes.append("when \(rule.when.map(Self.words).joined(separator: ", "))") }
            table.add(
                .init(rule.name),
                .init(Self.words(rule.check)),
                rule.count == rule.check ? "same" : .init(Self.words(rule.count)),
                .init(rule.per.isEmpty ? "all" : rule.per.joined(separator: ", ")),
                .init(rule.measure.name),
                .init(rule.limits.map { Self.words($0, trips: counts?.trips[$0.text]) }.joined(separator: ", ")),
                rule.overrides.isEmpty ? "" : .init("\(rule.overrides.count)"),
                .init(counts.map { NumberWords.grouped($0.judged) } ?? ""),
                .init(counts.map { NumberWords.grouped($0.tripped) } ?? ""),
                .init(counts.map { NumberWords.share($0.tripped, of: $0.judged) } ?? ""),
                .init(notes.joined(separator: "; "))
            )
        }
        return table
    }

    private static func words(_ patterns: [Pattern]) -> String {
        patterns.map(\.spelling.printable).joined(separator: ", ")
    }

    private static func words(_ condition: Condition) -> String {
        "\(condition.dimension)=\(condition.patterns.map(\.spelling.printable).joined(separator: "|"))"
    }

    private static func words(_ limit: Limit, trips: UInt64?) -> String {
        let words = "\(limit.text.printable) \(limit.verdict.name)"
        guard let trips, trips > 0 else { return words }
        return "\(words) (\(trips == 1 ? "1 trip" : "\(NumberWords.grouped(trips)) trips"))"
    }

    // MARK: JSON

    var json: JSON {
        var members: [(key: String, value: JSON)] = [
            ("generation", .integer(response.generation)),
            ("source", .text(response.source)),
            ("sha256", .text(response.sha256)),
            ("loaded_at_ms", .integer(response.loadedAtMs)),
            ("last_error", response.lastError.isEmpty ? .null : .text(response.lastError)),
            ("rules", rules.map { .list($0.map(json)) } ?? .null),
        ]
        if withYAML { members.append(("yaml", .text(response.yaml))) }
        return .object(members)
    }

    private func json(_ rule: Rule) -> JSON {
        let counts = counts?[rule.name]
        return [
            "name": .text(rule.name),
            "check": .texts(rule.check.map(\.spelling)),
            "count": .texts(rule.count.map(\.spelling)),
            "per": .texts(rule.per),
            "when": .object(rule.when.map { (key: $0.dimension, value: .texts($0.patterns.map(\.spelling))) }),
            "measure": .text(rule.measure.name),
            "limits": .list(rule.limits.map { Self.json($0, counts) }),
            "counting": rule.counting == .attempts ? "attempts" : "admitted",
            "shadow": .bool(rule.shadow),
            "on_redis_failure": .text(rule.onRedisFailure.rawValue),
            "overrides": .count(rule.overrides.count),
            "notes": .object(rule.notes.map { (key: $0.key, value: .text($0.text)) }),
            "judged": .optional(counts?.judged),
            "tripped": .optional(counts?.tripped),
        ]
    }

    private static func json(_ limit: Limit, _ counts: RuleCounts.Counts?) -> JSON {
        [
            "limit": .text(limit.text),
            "max": .integer(limit.max),
            "window_ms": .integer(limit.windowMs),
            "verdict": .text(limit.verdict.name),
            "trips": .optional(counts.map { $0.trips[limit.text] ?? 0 }),
        ]
    }
}
