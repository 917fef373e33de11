/// One key of a mapping with its value.
struct LimitsEntry<Key> {
    /// Nil for a key that the mapping admits beside those with a meaning of their own.
    var key: Key?
    /// The key as meant: a misspelled one under its right name.
    var name: String
    /// Of the key.
    var position: SourcePosition
    var value: YAMLNode
}

extension LimitsReader {
    /// The entries of a mapping, nil if `node` is none. Unknown and repeated keys are reported. A key that is clearly
    /// a misspelling is read as what it means, so that its value is checked too and nobody hears that it is missing.
    func entries<Key: RawRepresentable<String> & CaseIterable>(
        of node: YAMLNode, keys: Key.Type, what: String, admitting admits: (String) -> Bool = { _ in false }
    ) -> [LimitsEntry<Key>]? {
        guard case .mapping(let pairs) = node.content else {
            if !node.isUnreadable {
                report.error(at: node.position, "\(what) must be a mapping (\"key: value\"), not \(node.kind)")
            }
            return nil
        }
        let valid = Key.allCases.map(\.rawValue)
        var entries: [LimitsEntry<Key>] = []
        var firstPositions: [String: SourcePosition] = [:]
        var misspelled: [(index: Int, meant: String)] = []
        for pair in pairs {
            guard case .scalar(let name, _) = pair.key.content else {
                if !pair.key.isUnreadable {
                    report.error(at: pair.key.position, "a key must be a name, not \(pair.key.kind)")
                }
                continue
            }
            let position = pair.key.position
            if let first = firstPositions[name] {
                let place = report.place(first, seenFrom: position)
                report.error(at: position, "duplicate key \(quoted(name)), first given in \(place)")
            } else {
                firstPositions[name] = position
            }
            let key = Key(rawValue: name)
            if key == nil, !admits(name) {
                let nearest = report.isFull ? nil : NearestSpelling.of(name, among: valid)
                reportUnknownKey(name, at: position, nearest: nearest, valid: valid, what: what)
                guard let nearest else { continue }
                misspelled.append((entries.count, nearest))
            }
            entries.append(LimitsEntry(key: key, name: name, position: position, value: pair.value))
        }
        for (index, meant) in misspelled.reversed() {
            // Beside the right spelling, a misspelled key says nothing of its own.
            if firstPositions[meant] != nil {
                entries.remove(at: index)
            } else {
                entries[index].key = Key(rawValue: meant)
                entries[index].name = meant
            }
        }
        return entries
    }

    private func reportUnknownKey(
        _ name: String, at position: SourcePosition, nearest: String?, valid: [String], what: String
    ) {
        if let nearest {
            report.error(at: position, "unknown key \(quoted(name)); did you mean \"\(nearest)\"?")
        } else if name == "<<" {
            report.error(at: position, "merge keys (\"<<\") are not supported; an alias can stand for a whole value")
        } else {
            report.error(
                at: position, "unknown key \(quoted(name)); \(what) has: \(valid.joined(separator: ", "))")
        }
    }

    /// The items of a list; of a list that broke off, those that are whole.
    func list(_ node: YAMLNode, name: String, hint: String = "") -> [YAMLNode]? {
        if case .sequence(let items) = node.content { return items }
        if !node.isUnreadable {
            report.error(at: node.position, "\"\(name)\" must be a list, not \(node.kind)\(hint)")
        }
        return nil
    }

    /// The items of a list that has at least one, or `node` alone if it is a single value.
    func oneOrMore(_ node: YAMLNode, name: String, of items: String) -> [YAMLNode]? {
        switch node.content {
        case .scalar where !node.isMissing:
            return [node]
        case .sequence(let list) where !list.isEmpty:
            return list
        case .unreadable:
            return nil
        case .scalar, .sequence:
            report.error(at: node.position, "\"\(name)\" needs at least one \(items)")
        case .mapping:
            report.error(at: node.position, "\"\(name)\" must be one \(items) or a list, not a mapping")
        }
        return nil
    }
}
