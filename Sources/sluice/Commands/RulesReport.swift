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
    private let counts: RuleCounts

    init(_ response: WireRulesResponse, counts: RuleCounts = RuleCounts([])) {
        self.response = response
        self.counts = counts
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
        return lines + table(of: rules).lines(for: terminal)
    }

    private var loadedAt: String {
        let date = Date(timeIntervalSince1970: Double(response.loadedAtMs) / 1_000)
        let ago = max(0, Date().timeIntervalSince(date))
        return "\(date.ISO8601Format()), \(DurationWords.spell(ms: UInt64(ago) * 1_000)) ago"
    }

    private func table(of rules: [Rule]) -> Table {
        var table = Table(
            "RULE", "CHECK", "COUNT", "PER", "MEASURE", "LIMITS", " OVERRIDES", " JUDGED", " TRIPPED", " SHARE", "NOTE")
        for rule in rules {
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
                .init(rule.limits.map { "\($0.text) \($0.verdict.name)" }.joined(separator: ", ").printable),
                rule.overrides.isEmpty ? "" : .init("\(rule.overrides.count)"),
                .init(counts.byRule[rule.name].map { NumberWords.grouped($0.judged) } ?? ""),
                .init(counts.byRule[rule.name].map { NumberWords.grouped($0.tripped) } ?? ""),
                .init(share(of: rule.name)),
                .init(notes.joined(separator: "; "))
            )
        }
        return table
    }

    private func share(of rule: String) -> String {
        guard let count = counts.byRule[rule], count.judged > 0 else { return "" }
        let tenths = (Double(count.tripped) / Double(count.judged) * 1_000).rounded()
        return "\(Int(tenths) / 10).\(Int(tenths) % 10)%"
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
            ("rules", rules.map { .list($0.map(json)) } ?? .null),
        ]
        if withYAML { members.append(("yaml", .text(response.yaml))) }
        return .object(members)
    }

    private func json(_ rule: Rule) -> JSON {
        [
            "name": .text(rule.name),
            "check": .texts(rule.check.map(\.spelling)),
            "count": .texts(rule.count.map(\.spelling)),
            "per": .texts(rule.per),
            "when": .object(rule.when.map { (key: $0.dimension, value: .texts($0.patterns.map(\.spelling))) }),
            "measure": .text(rule.measure.name),
            "limits": .list(rule.limits.map(Self.json)),
            "counting": rule.counting == .attempts ? "attempts" : "admitted",
            "shadow": .bool(rule.shadow),
            "on_redis_failure": .text(rule.onRedisFailure.rawValue),
            "overrides": .count(rule.overrides.count),
            "judged": counts.byRule[rule.name].map { .integer($0.judged) } ?? .null,
            "tripped": counts.byRule[rule.name].map { .integer($0.tripped) } ?? .null,
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
