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

/// The keys of a mapping that has none of its own: all are dimensions.
enum NoKey: RawRepresentable, CaseIterable {
    init?(rawValue: String) { nil }
    var rawValue: String { switch self {} }
}

extension LimitsReader {
    /// The entries of a mapping, nil if `node` is none. Unknown and repeated keys are reported. A key that is clearly
    /// a misspelling is read as what it means, so that its value is checked too and nobody hears that it is missing.
    func entries<Key: RawRepresentable<String> & CaseIterable>(
        of node: YAMLNode, keys: Key.Type, what: String, hint: String = "",
        admitting admits: (String) -> Bool = { _ in false }
    ) -> [LimitsEntry<Key>]? {
        guard case .mapping(let pairs) = node.content else {
            if !node.isUnreadable {
                report.error(
                    at: node.position, "\(what) must be a mapping (\"key: value\"), not \(node.kind)\(hint)")
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
            if key == nil, let glued = gluedKey(pair, isKey: { Key(rawValue: $0) != nil || admits($0) }) {
                report.error(
                    at: position, "a space is missing behind the \":\"; write \"\(glued): ...\", not \(quoted(name))")
                entries.append(
                    LimitsEntry(
                        key: Key(rawValue: glued), name: glued, position: position,
                        value: YAMLNode(content: .unreadable, position: position, weight: 0)))
                continue
            }
            if key == nil, !admits(name) {
                let isMisplaced = LimitsKeys.home(of: name) != nil
                let nearest = report.isFull || isMisplaced ? nil : NearestSpelling.of(name, among: valid)
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

    /// The key of `{ max:5 }`, which YAML takes for one key without a value.
    private func gluedKey(_ pair: YAMLNode.Pair, isKey: (String) -> Bool) -> String? {
        guard pair.value.isMissing, case .scalar(let name, isPlain: true) = pair.key.content,
            let colon = name.firstIndex(of: ":"), colon > name.startIndex
        else { return nil }
        let key = String(name[..<colon])
        return isKey(key) ? key : nil
    }

    private func reportUnknownKey(
        _ name: String, at position: SourcePosition, nearest: String?, valid: [String], what: String
    ) {
        if name == "<<" {
            report.error(at: position, "merge keys (\"<<\") are not supported; an alias can stand for a whole value")
        } else if let stranger = name.unicodeScalars.first(where: \.isInvisible) {
            report.error(
                at: position,
                "an invisible character (\(stranger.codePoint)) stands in the key \(quoted(name)); "
                    + "replace it by a plain space, or delete it")
        } else if let nearest {
            report.error(at: position, "unknown key \(quoted(name)); did you mean \"\(nearest)\"?")
        } else if let home = LimitsKeys.home(of: name) {
            report.error(
                at: position, "unknown key \(quoted(name)) in \(what); it belongs \(home): check the indentation")
        } else if name.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            report.error(
                at: position, "unknown key \(quoted(name)); a comma ends a value, so write 5_000 and not 5,000")
        } else {
            report.error(
                at: position, "unknown key \(quoted(name)); \(what) has: \(valid.joined(separator: ", "))")
        }
    }

    /// The items of a list; of a list that broke off, those that are whole.
    func list(_ node: YAMLNode, name: String, hint: String = "") -> [YAMLNode]? {
        if case .sequence(let items) = node.content { return items }
        if !node.isUnreadable {
            let hint = node.hasGluedDash ? "; write a space behind each \"-\"" : hint
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
