import SluiceModel

extension ReplayReport {
    /// The report for programs; docs/cli.md lists the keys.
    var json: JSON {
        [
            "events": .integer(events),
            "bad_lines": .integer(badLines),
            "repeats": .integer(repeats),
            "checks": .integer(events(.check)),
            "peeks": .integer(events(.peek)),
            "records": .integer(events(.record)),
            "first_at": .optional(times?.lowerBound),
            "last_at": .optional(times?.upperBound),
            "verdicts": Self.json(verdicts),
            "rules": .list(zip(rules, perRule).map(Self.json)),
            "labels": .list(labels.map { json($0.count, label: $0.label) }),
            "further_labels": otherLabels.events > 0 ? json(otherLabels, label: nil) : .null,
            "unlabelled": json(unlabelled, label: nil),
        ]
    }

    private static func json(_ rule: Rule, _ count: RuleCount) -> JSON {
        [
            "rule": .text(rule.name),
            "shadow": .bool(rule.shadow),
            "judged": .integer(count.judged),
            "tripped": .integer(count.tripped),
            "share": count.judged > 0 ? .number(Double(count.tripped) / Double(count.judged)) : .null,
            "review": .integer(count.worst[.review]),
            "challenge": .integer(count.worst[.challenge]),
            "deny": .integer(count.worst[.deny]),
            "entities_touched": .count(count.touched.count),
            "entities_touched_is_lower_bound": .bool(count.touched.isBeyondBound),
        ]
    }

    private func json(_ kind: KindCount, label: String?) -> JSON {
        let catcher = mainCatcher(of: kind)
        return [
            "label": label.map { .text($0) } ?? .null,
            "events": .integer(kind.events),
            "verdicts": Self.json(kind.verdicts),
            "caught_mostly_by": catcher.map { .text($0.rule) } ?? .null,
            "caught_by_it": .optional(catcher?.events),
        ]
    }

    private static func json(_ count: VerdictCount) -> JSON {
        .object(Verdict.allCases.map { (key: $0.name, value: .integer(count[$0])) })
    }
}
