import SluiceWire

/// How often each rule judged and tripped since the service started, from its own numbers.
struct RuleCounts {
    struct Counts {
        var judged: UInt64 = 0
        /// Those that exceeded one of its limits, whatever other rules said; answers by policy are none.
        var tripped: UInt64 = 0
        /// By the limit as the limits file writes it; those of a shadow rule too.
        var trips: [String: UInt64] = [:]
    }

    private var byRule: [String: Counts] = [:]

    /// Nil where the service does not count by rule.
    init?(_ stats: [WireStat]) {
        var countsByRule = false
        for stat in stats {
            guard let series = SeriesName(stat.name) else { continue }
            // Series of a rule appear with its first decision; this gauge came with them and is always there.
            if series.family == "sluice_rules_loaded_timestamp_seconds" { countsByRule = true }
            guard let rule = series.labels["rule"], let count = UInt64(exactly: stat.value.rounded()) else { continue }
            switch series.family {
            case "sluice_rule_decisions_total":
                countsByRule = true
                byRule[rule, default: Counts()].judged &+= count
                if series.labels["verdict"] != "allow", series.labels["basis"] != "policy" {
                    byRule[rule]?.tripped &+= count
                }
            case "sluice_trips_total", "sluice_shadow_trips_total":
                guard let limit = series.labels["limit"] else { continue }
                byRule[rule, default: Counts()].trips[limit, default: 0] &+= count
            default: break
            }
        }
        guard countsByRule else { return nil }
    }

    subscript(rule: String) -> Counts { byRule[rule] ?? Counts() }
}
