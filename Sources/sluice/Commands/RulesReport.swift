import SluiceModel
import SluiceWire

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// An answer to `sluice rules`, in words and in JSON.
struct RulesReport {
    private let response: WireRulesResponse
    /// Nil where the service runs rules that this program's version cannot read.
    private let rules: [Rule]?

    init(_ response: WireRulesResponse) {
        self.response = response
        rules = try? LimitsFile.parse(Self.sources(of: response)).file.rules
    }

    /// A directory comes as the texts of its files, each under a comment line with its name.
    private static func sources(of response: WireRulesResponse) -> [LimitsFile.Source] {
        let mark = "# ---- "
        guard response.yaml.hasPrefix(mark) else { return [.init(name: response.source, text: response.yaml)] }
        var sources: [LimitsFile.Source] = []
        for line in response.yaml.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix(mark) {
                sources.append(.init(name: String(line.dropFirst(mark.count)), text: ""))
            } else {
                sources[sources.count - 1].text += "\(line)\n"
            }
        }
        return sources
    }

    // MARK: Words

    func lines(for terminal: Terminal) -> [String] {
        var lines = [
            "generation  \(response.generation)",
            "source      \(response.source.printable)",
            "sha256      \(response.sha256)",
            "loaded at   \(loadedAt)",
        ]
        if !response.lastError.isEmpty {
            lines.append(terminal.coloured("the last reload failed, the rules above stay in force:", .red))
            lines += response.lastError.split(separator: "\n").map { "  \($0.printable)" }
        }
        guard let rules else {
            return lines + ["", "these rules need a newer sluice to be listed; --yaml prints them"]
        }
        lines.append("")
        return lines + Self.table(of: rules).lines(for: terminal)
    }

    private var loadedAt: String {
        Date(timeIntervalSince1970: Double(response.loadedAtMs) / 1_000).ISO8601Format()
    }

    private static func table(of rules: [Rule]) -> Table {
        var table = Table("RULE", "CHECK", "COUNT", "PER", "MEASURE", "LIMITS", " OVERRIDES", "NOTE")
        for rule in rules {
            var notes: [String] = []
            if rule.shadow { notes.append("shadow") }
            if rule.counting == .attempts { notes.append("counts attempts") }
            if !rule.when.isEmpty { notes.append("when \(rule.when.map(words).joined(separator: ", "))") }
            table.add(
                .init(rule.name),
                .init(words(rule.check)),
                rule.count == rule.check ? "same" : .init(words(rule.count)),
                .init(rule.per.isEmpty ? "all" : rule.per.joined(separator: ", ")),
                .init(rule.measure.name),
                .init(rule.limits.map { "\($0.text) \($0.verdict.name)" }.joined(separator: ", ").printable),
                rule.overrides.isEmpty ? "" : .init("\(rule.overrides.count)"),
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

    // MARK: JSON

    /// - Parameter withYAML: adds the text of the limits file.
    func json(withYAML: Bool) -> JSON {
        var members: [(key: String, value: JSON)] = [
            ("generation", .integer(response.generation)),
            ("source", .text(response.source)),
            ("sha256", .text(response.sha256)),
            ("loaded_at_ms", .integer(response.loadedAtMs)),
            ("last_error", response.lastError.isEmpty ? .null : .text(response.lastError)),
            ("rules", rules.map { .list($0.map(Self.json)) } ?? .null),
        ]
        if withYAML { members.append(("yaml", .text(response.yaml))) }
        return .object(members)
    }

    private static func json(_ rule: Rule) -> JSON {
        [
            "name": .text(rule.name),
            "check": .texts(rule.check.map(\.spelling)),
            "count": .texts(rule.count.map(\.spelling)),
            "per": .texts(rule.per),
            "when": .object(rule.when.map { (key: $0.dimension, value: .texts($0.patterns.map(\.spelling))) }),
            "measure": .text(rule.measure.name),
            "limits": .list(rule.limits.map(json)),
            "counting": rule.counting == .attempts ? "attempts" : "admitted",
            "shadow": .bool(rule.shadow),
            "on_redis_failure": .text(rule.onRedisFailure.rawValue),
            "overrides": .count(rule.overrides.count),
            "notes": .object(rule.notes.map { (key: $0.key, value: .text($0.text)) }),
        ]
    }

    private static func json(_ limit: Limit) -> JSON {
        [
            "limit": .text(limit.text),
            "max": .integer(limit.max),
            "window_ms": .integer(limit.windowMs),
            "verdict": .text(limit.verdict.name),
        ]
    }
}
