/// Where something stands in a set of files. Ordered as a reader meets it.
struct SourcePosition: Comparable, Hashable {
    /// Index of the file in the set.
    var file: Int
    /// From 1.
    var line: Int
    /// From 1, in Unicode scalars.
    var column: Int

    static func < (lhs: SourcePosition, rhs: SourcePosition) -> Bool {
        (lhs.file, lhs.line, lhs.column) < (rhs.file, rhs.line, rhs.column)
    }
}

/// A YAML node as it was written: text is text, whatever a YAML schema would make of it.
struct YAMLNode {
    enum Content {
        /// `isPlain` is false for any kind of quotes and for block scalars.
        case scalar(String, isPlain: Bool)
        case sequence([YAMLNode])
        case mapping([Pair])
        /// What stood here has been reported; nothing more can be said about it.
        case unreadable
    }

    struct Pair {
        var key: YAMLNode
        var value: YAMLNode
    }

    var content: Content
    var position: SourcePosition
    /// False where the text broke off inside this collection or right behind it, so that it may lack something.
    var isComplete = true
    /// What this node and all below it cost: a base for each, and the bytes of its text.
    var weight: Int

    /// Weight of a node without text.
    static let baseWeight = 16

    /// A key without anything behind its colon, or an empty list item.
    var isMissing: Bool {
        if case .scalar("", isPlain: true) = content { true } else { false }
    }

    /// Says of this node and the last one on each level below it that the text broke off there.
    mutating func markBrokenOff() {
        isComplete = false
        switch content {
        case .sequence(var items) where !items.isEmpty:
            items[items.count - 1].markBrokenOff()
            content = .sequence(items)
        case .mapping(var pairs) where !pairs.isEmpty:
            pairs[pairs.count - 1].value.markBrokenOff()
            content = .mapping(pairs)
        default:
            break
        }
    }

    /// Whether it is a mapping with a `<<`, which would add the keys of another one.
    var hasMergeKey: Bool {
        guard case .mapping(let pairs) = content else { return false }
        return pairs.contains { pair in
            if case .scalar("<<", isPlain: true) = pair.key.content { true } else { false }
        }
    }

    /// Whether it was meant to be a list: `-name: logins` is a key that begins with a dash.
    var hasGluedDash: Bool {
        switch content {
        case .scalar(let text, isPlain: true): return text.utf8.first == UInt8(ascii: "-")
        case .mapping(let pairs):
            guard case .scalar(let name, isPlain: true)? = pairs.first?.key.content else { return false }
            return name.utf8.first == UInt8(ascii: "-")
        case .scalar, .sequence, .unreadable: return false
        }
    }

    var isUnreadable: Bool {
        if case .unreadable = content { true } else { false }
    }

    /// What the node is, for a sentence that says what it should be instead.
    var kind: String {
        switch content {
        case .scalar("~", isPlain: true), .scalar("null", isPlain: true): "nothing"
        case .scalar: isMissing ? "nothing" : "a single value"
        case .sequence: "a list"
        case .mapping: "a mapping"
        case .unreadable: "unreadable"
        }
    }
}
