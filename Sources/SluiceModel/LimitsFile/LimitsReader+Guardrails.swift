extension LimitsReader {
    private enum GuardrailKey: String, CaseIterable {
        case maxLimitChange = "max_limit_change"
        case maxRulesRemoved = "max_rules_removed"
    }

    func readGuardrails(_ node: YAMLNode, at position: SourcePosition) {
        if let first = guardrailsPosition {
            let place = report.place(first, seenFrom: position)
            return report.error(
                at: position, "\"reload\" is already given in \(place); one holds for all files together")
        }
        guardrailsPosition = position
        guard let entries = entries(of: node, keys: GuardrailKey.self, what: "reload") else { return }
        for entry in entries {
            switch entry.key {
            case .maxLimitChange: guardrails.maxLimitChange = factor(entry.value)
            case .maxRulesRemoved: guardrails.maxRulesRemoved = percentage(entry.value)
            case nil: break
            }
        }
    }

    /// Hundredths of a factor such as `10x`.
    private func factor(_ node: YAMLNode) -> UInt64? {
        let name = GuardrailKey.maxLimitChange.rawValue
        guard let text = text(node, name: name) else { return nil }
        let parts = text.dropLast().split(separator: ".", omittingEmptySubsequences: false)
        let fraction = parts.count == 2 ? parts[1] : ""
        guard text.last == "x", parts.count <= 2, fraction.utf8.count <= 2, parts.count == 1 || !fraction.isEmpty,
            let first = parts.first, (1...7).contains(first.utf8.count), let whole = UInt64(decimal: first.utf8),
            let rest = UInt64(decimal: (fraction + String(repeating: "0", count: 2 - fraction.utf8.count)).utf8),
            1...1_000_000 ~= whole
        else {
            let hint = UInt64(decimal: text.utf8).map { 1...1_000_000 ~= $0 ? "; did you mean \"\($0)x\"?" : "" } ?? ""
            report.error(
                at: node.position,
                "\"\(name)\" must be a factor from 1x to 1000000x such as 10x, not \(quoted(text))\(hint)")
            return nil
        }
        return whole * 100 + rest
    }

    private func percentage(_ node: YAMLNode) -> UInt64? {
        let name = GuardrailKey.maxRulesRemoved.rawValue
        guard let text = text(node, name: name) else { return nil }
        guard text.last == "%", (2...4).contains(text.utf8.count), let percent = UInt64(decimal: text.utf8.dropLast()),
            percent <= 100
        else {
            let hint = UInt64(decimal: text.utf8).map { $0 <= 100 ? "; did you mean \"\($0)%\"?" : "" } ?? ""
            report.error(
                at: node.position, "\"\(name)\" must be a share from 0% to 100% such as 50%, not \(quoted(text))\(hint)"
            )
            return nil
        }
        return percent
    }
}
