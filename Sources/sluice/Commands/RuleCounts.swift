import SluiceWire

/// What each rule has judged since the service started, from its stats. Empty where the service does not count by rule.
struct RuleCounts {
    struct Count {
        var judged: UInt64 = 0
        /// By a limit of the rule, whatever other rules said; answers by policy are no trips.
        var tripped: UInt64 = 0
    }

    private(set) var byRule: [String: Count] = [:]

    init(_ stats: [WireStat]) {
        for stat in stats {
            guard let labels = Self.labels(of: stat.name, metric: "sluice_rule_decisions_total"),
                let rule = labels["rule"], stat.value >= 0, stat.value < 0x1p63
            else { continue }
            byRule[rule, default: Count()].judged += UInt64(stat.value)
            if labels["verdict"] != "allow", labels["basis"] != "policy" {
                byRule[rule, default: Count()].tripped += UInt64(stat.value)
            }
        }
    }

    /// The labels of a series; rule names, verdicts and bases need no escapes.
    private static func labels(of name: String, metric: String) -> [String: String]? {
        guard name.hasPrefix(metric + "{"), name.hasSuffix("}") else { return nil }
        var labels: [String: String] = [:]
        for part in name.dropFirst(metric.count + 1).dropLast().split(separator: ",") {
            let pair = part.split(separator: "=", maxSplits: 1)
            guard pair.count == 2, pair[1].count >= 2 else { return nil }
            labels[String(pair[0])] = String(pair[1].dropFirst().dropLast())
        }
        return labels
    }
}
