extension LimitsReader {
    enum OverrideKey: String, CaseIterable {
        case limits, exempt
    }

    func readOverrides(_ node: YAMLNode) -> [(override: Override, position: SourcePosition)] {
        guard let items = list(node, name: "overrides", hint: "; begin each override with \"-\"") else { return [] }
        var overrides: [(override: Override, position: SourcePosition)] = []
        var values = 0
        for item in items {
            guard let override = readOverride(item) else { continue }
            let before = values
            values += override.conditions.reduce(0) { $0 + $1.patterns.count }
            if before <= Caps.overrideValuesPerRule, values > Caps.overrideValuesPerRule {
                report.error(
                    at: item.position,
                    "more than 10000 override values in one rule; use a prefix (\"m-test-*\"), or a dimension of its "
                        + "own such as a tier")
            }
            overrides.append((override, item.position))
        }
        return overrides
    }

    /// Where a rule applies.
    func readWhen(_ node: YAMLNode) -> [Condition] {
        guard let entries = entries(of: node, keys: NoKey.self, what: "when", admitting: { _ in true }) else {
            return []
        }
        return entries.compactMap { condition($0.name, at: $0.position, $0.value) }
    }

    private func readOverride(_ node: YAMLNode) -> Override? {
        let entries = entries(of: node, keys: OverrideKey.self, what: "an override", admitting: { _ in true })
        guard let entries else { return nil }
        var conditions: [Condition] = []
        var limits: [Limit]?
        var isExempt = false
        var keys = Set(entries.compactMap(\.key))
        let misspelled = keys.isEmpty ? misspelledEffect(entries.map(\.name)) : nil
        for entry in entries {
            var key = entry.key
            if let misspelled, entry.name == misspelled.written {
                key = misspelled.key
                keys.insert(misspelled.key)
                let meant = misspelled.key.rawValue
                report.error(
                    at: entry.position, "unknown key \(quoted(entry.name)); did you mean \"\(meant)\"?")
            }
            switch key {
            case .limits: limits = readLimits(entry.value)
            case .exempt:
                isExempt = bool(entry.value, name: "exempt") ?? true
                if !isExempt {
                    report.error(at: entry.value.position, "\"exempt\" can only be true; leave it out otherwise")
                }
            case nil:
                if let condition = condition(entry.name, at: entry.position, entry.value) {
                    conditions.append(condition)
                }
            }
        }
        if keys.count == 2 {
            report.error(at: node.position, "an override has either \"limits\" or \"exempt: true\", not both")
        } else if keys.isEmpty, node.isComplete {
            report.error(at: node.position, "this override has neither \"limits\" nor \"exempt: true\"")
        }
        if entries.count == keys.count {
            report.error(
                at: node.position,
                "this override names no dimension; write for which values it is, as in \"merchant: [m-1]\"")
        }
        // Without a condition that could not be read it would be for others than it is meant for.
        guard isExempt || limits != nil, conditions.count == entries.count - keys.count else { return nil }
        return Override(conditions: conditions, effect: isExempt ? .exempt : .limits(limits ?? []))
    }

    /// The key that should have been `limits` or `exempt`, where neither is given: any name can be a dimension, but an
    /// override without effect was not meant.
    private func misspelledEffect(_ names: [String]) -> (written: String, key: OverrideKey)? {
        for name in names {
            let nearest = NearestSpelling.of(name, among: OverrideKey.allCases.map(\.rawValue))
            if let key = nearest.flatMap(OverrideKey.init(rawValue:)) { return (name, key) }
        }
        return nil
    }

    private func condition(_ dimension: String, at position: SourcePosition, _ node: YAMLNode) -> Condition? {
        guard checkDimension(dimension, at: position) else { return nil }
        return values(node, of: dimension, place: .condition).map {
            Condition(dimension: dimension, patterns: $0.map(\.pattern))
        }
    }
}
