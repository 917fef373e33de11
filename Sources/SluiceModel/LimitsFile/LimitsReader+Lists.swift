/// What the files put on lists.
struct ListedValues {
    struct Value: Hashable {
        var kind: ListKind
        var dimension: String
        var pattern: Pattern
    }

    private(set) var listings: [FileListing] = []
    /// Where each value stands first.
    private(set) var positions: [Value: SourcePosition] = [:]
    /// Of all lists, repeated ones too.
    private(set) var count = 0

    /// Where the value is on that list already, if it is.
    fileprivate mutating func add(_ pattern: Pattern, to listing: Int, at position: SourcePosition) -> SourcePosition? {
        count += 1
        let value = Value(kind: listings[listing].kind, dimension: listings[listing].dimension, pattern: pattern)
        if let first = positions[value] { return first }
        positions[value] = position
        listings[listing].patterns.append(pattern)
        return nil
    }

    fileprivate mutating func begin(_ kind: ListKind, _ dimension: String) -> Int {
        listings.append(FileListing(kind: kind, dimension: dimension, patterns: []))
        return listings.count - 1
    }
}

extension LimitsReader {
    private enum ListKey: String, CaseIterable {
        case deny, allow, watch
    }

    func readLists(_ node: YAMLNode) {
        guard let entries = entries(of: node, keys: ListKey.self, what: "lists", hint: Self.listHint) else { return }
        for entry in entries {
            guard let kind = (entry.key?.rawValue).flatMap({ ListKind(name: $0) }) else { continue }
            let dimensions = self.entries(
                of: entry.value, keys: NoKey.self, what: "list \"\(kind.name)\"", hint: "; write { device: [d-1] }",
                admitting: { _ in true })
            for dimension in dimensions ?? [] where checkDimension(dimension.name, at: dimension.position) {
                readListing(kind, dimension.name, dimension.value)
            }
        }
    }

    private static let listHint = "; write { deny: { device: [d-1] } }"

    private func readListing(_ kind: ListKind, _ dimension: String, _ node: YAMLNode) {
        guard let values = values(node, of: dimension, place: .list) else { return }
        let listing = lists.begin(kind, dimension)
        for (pattern, position) in values {
            if pattern.isPrefix, pattern.text.isEmpty {
                report.warning(
                    at: position, "\"*\" puts every request with a \"\(dimension)\" on the list \"\(kind.name)\"")
            }
            // What one list names twice has been told.
            if let first = lists.add(pattern, to: listing, at: position), first.file != position.file {
                let place = report.place(first, seenFrom: position)
                report.warning(
                    at: position, "a value of \"\(dimension)\" is on the list \"\(kind.name)\" already, in \(place)")
            }
            if lists.count == Caps.listedValues + 1 {
                report.error(
                    at: position,
                    "more than 10000 values on lists; use a prefix (\"bot-*\"), a network, or a rule with \"when\" on "
                        + "a dimension that the gateway sends along")
            }
        }
    }

    /// Warns of values that are never looked up on their list, because a stronger one has them as well.
    func warnOfOverruledListings() {
        var patterns: [ListKind: [String: [Pattern]]] = [:]
        for listing in lists.listings {
            patterns[listing.kind, default: [:]][listing.dimension, default: []] += listing.patterns
        }
        let covers = patterns.mapValues { $0.mapValues { ListCover($0) } }
        for (value, position) in lists.positions.sorted(by: { $0.value < $1.value }) {
            let stronger = ListKind.allCases.prefix { $0 != value.kind }
            let winner = stronger.first { covers[$0]?[value.dimension]?.covers(value.pattern) ?? false }
            guard let winner else { continue }
            report.warning(
                at: position,
                "a value of \"\(value.dimension)\" is on the list \"\(winner.name)\" as well; \(winner.name) wins")
        }
    }
}
