extension LimitsReader {
    enum RuleKey: String, CaseIterable {
        case name, check, count, per, when, measure, limits, counting, shadow
        case onRedisFailure = "on_redis_failure"
        case slices
        case exactUpTo = "exact_up_to"
        case overrides, description, owner
    }

    /// Nil if the rule is no mapping at all.
    func readRule(_ node: YAMLNode) -> RuleDraft? {
        let entries = entries(of: node, keys: RuleKey.self, what: "a rule", admitting: { $0.hasPrefix("x-") })
        guard let entries else { return nil }
        var draft = RuleDraft()
        limitsOfRule.removeAll(keepingCapacity: true)
        for entry in entries {
            let value = entry.value
            switch entry.key {
            case .name: (draft.name, draft.namePosition) = (ruleName(value), value.position)
            case .check: draft.check = actions(value, name: "check")
            case .count: draft.count = actions(value, name: "count")
            case .per: draft.per = readPer(value)
            case .when: draft.when = readWhen(value)
            case .measure: (draft.measure, draft.measurePosition) = (readMeasure(value), value.position)
            case .limits: (draft.limits, draft.limitsPosition) = (readLimits(value), entry.position)
            case .counting:
                if let name = word(value, name: "counting", among: ["admitted", "attempts"]) {
                    draft.counting = name == "attempts" ? .attempts : .admitted
                }
            case .shadow: draft.shadow = bool(value, name: "shadow") ?? false
            case .onRedisFailure: draft.onRedisFailure = failurePolicy(value)
            case .slices: draft.slices = slices(value)
            case .exactUpTo: draft.exactUpTo = exactUpTo(value)
            case .overrides: draft.overrides = readOverrides(value)
            case .description, .owner, nil:
                if case .scalar(let text, _) = value.content {
                    draft.notes.append(Rule.Note(key: entry.name, text: text))
                } else if !value.isUnreadable {
                    report.error(at: value.position, "\(quoted(entry.name)) is free text, not \(value.kind)")
                }
            }
        }
        let keys = Set(entries.compactMap(\.key))
        // What a merge key was to bring is not missing.
        let isWhole = node.isComplete && !node.hasMergeKey
        for (key, hint) in Self.required where isWhole && !keys.contains(key) {
            report.error(at: node.position, "this rule has no \"\(key.rawValue)\"; \(hint)")
        }
        if case .distinct(let dimension) = draft.measure, draft.per?.contains(dimension) == true {
            report.error(
                at: draft.measurePosition ?? node.position,
                "distinct \(quoted(dimension)) is always one, because the rule counts per \(quoted(dimension))")
        }
        checkLimits(of: draft)
        return draft
    }

    private static let required: [(key: RuleKey, hint: String)] = [
        (.name, "its counters follow a name that stays, as in \"name: login-failures\""),
        (.check, "write the action it guards, as in \"check: login\""),
        (.per, "write what it counts by, as in \"per: [user]\", or \"per: []\" for one counter"),
        (.limits, "write what it allows, as in \"limits: [ { max: 5, window: 10m } ]\""),
    ]

    private func ruleName(_ node: YAMLNode) -> String? {
        guard let text = text(node, name: "name") else { return nil }
        let isValid =
            (1...Caps.ruleNameBytes).contains(text.utf8.count) && text.utf8.allSatisfy(isNameByte)
        if isValid { return text }
        let nearest = String(
            decoding: text.lowercased().utf8.prefix(Caps.ruleNameBytes).map { isNameByte($0) ? $0 : UInt8(ascii: "-") },
            as: UTF8.self)
        let hint = text.isEmpty ? "" : "; did you mean \"\(nearest)\"?"
        report.error(
            at: node.position, "\(quoted(text)) is no rule name: 1 to 48 characters of a-z, 0-9 and -\(hint)")
        return nil
    }

    private func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
        default: false
        }
    }

    private func actions(_ node: YAMLNode, name: String) -> [Pattern]? {
        var seen: Set<Pattern> = []
        return oneOrMore(node, name: name, of: "action")?.compactMap { item in
            guard let pattern = action(item, name: name) else { return nil }
            if !seen.insert(pattern).inserted {
                report.warning(at: item.position, "\"\(name)\" names \(quoted(pattern.spelling)) twice")
            }
            return pattern
        }
    }

    private func readPer(_ node: YAMLNode) -> [String]? {
        guard let items = list(node, name: "per", hint: "; write [user] for one dimension") else { return nil }
        var names: [String] = []
        var seen: Set<String> = []
        for item in items {
            guard let name = dimension(item, name: "per") else { continue }
            guard seen.insert(name).inserted else {
                report.error(at: item.position, "\"per\" names \(quoted(name)) twice")
                continue
            }
            names.append(name)
        }
        return names
    }

    enum MeasureKey: String, CaseIterable {
        case sum, distinct
    }

    private func readMeasure(_ node: YAMLNode) -> Measure? {
        let forms = "count, { sum: amount } or { distinct: card }"
        if case .scalar(let text, _) = node.content, !node.isMissing {
            if text == "count" { return .count }
            report.error(at: node.position, "\"measure\" must be \(forms), not \(quoted(text))")
            return nil
        }
        guard let entries = entries(of: node, keys: MeasureKey.self, what: "a measure") else { return nil }
        guard entries.count == 1, let entry = entries.first else {
            if case .mapping(let pairs) = node.content, pairs.count == entries.count {
                report.error(at: node.position, "\"measure\" must be one of \(forms)")
            }
            return nil
        }
        switch entry.key {
        case .sum:
            return word(entry.value, name: "sum", among: ["amount"]).map { _ in .sum }
        case .distinct:
            return dimension(entry.value, name: "distinct").map { .distinct(dimension: $0) }
        case nil:
            return nil
        }
    }
}
