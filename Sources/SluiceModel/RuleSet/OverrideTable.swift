/// A rule's overrides, in an order in which those that a request may match are found without a look at the others.
///
/// Each override is filed under the values of one of its dimensions, the one whose values the fewest overrides name. A
/// request then looks at those filed under its own values, one list for a literal and one for each length of a prefix,
/// and never at one that names another value there.
struct OverrideTable: Sendable {
    struct Entry: Sendable {
        var conditions: [(dimension: Int, values: ValueSet)]
        /// Nil: exempt.
        var variant: Int?
    }

    /// The overrides that are filed under values of one dimension.
    private struct Drawer: Sendable {
        var dimension: Int
        /// Where the list of a value lies, an index into `lists`.
        var values: PatternTable
    }

    /// In file order.
    private let entries: [Entry]
    /// As many as there are dimensions that overrides are filed under: a handful.
    private let drawers: [Drawer]
    /// Stretches of `filed`.
    private let lists: [Range<Int32>]
    /// Indices into `entries`.
    private let filed: [Int32]

    /// - Parameter number: of a dimension.
    init(_ overrides: [(conditions: [Condition], variant: Int?)], number: (String) -> Int) {
        entries = overrides.map { override in
            Entry(
                conditions: override.conditions.map { (number($0.dimension), ValueSet($0.patterns)) },
                variant: override.variant)
        }
        var sharers: [String: [Pattern: Int]] = [:]
        for override in overrides {
            for condition in override.conditions {
                for pattern in condition.patterns {
                    sharers[condition.dimension, default: [:]][pattern, default: 0] += 1
                }
            }
        }
        var contents: [String: [Pattern: [Int32]]] = [:]
        for (index, override) in overrides.enumerated() {
            func crowd(_ condition: Condition) -> Int {
                condition.patterns.map { sharers[condition.dimension]?[$0] ?? 0 }.max() ?? 0
            }
            // An override without a condition is no override of a checked file.
            guard let condition = override.conditions.min(by: { crowd($0) < crowd($1) }) else { continue }
            for pattern in Set(condition.patterns) {
                contents[condition.dimension, default: [:]][pattern, default: []].append(Int32(index))
            }
        }
        var (lists, filed): ([Range<Int32>], [Int32]) = ([], [])
        drawers = contents.sorted { $0.key < $1.key }.map { dimension, values in
            let numbered = values.map { pattern, indices in
                lists.append(Int32(filed.count)..<Int32(filed.count + indices.count))
                filed += indices
                return (pattern, lists.count - 1)
            }
            return Drawer(dimension: number(dimension), values: PatternTable(numbered))
        }
        self.lists = lists
        self.filed = filed
    }

    /// The most specific override that matches: more exact values, then longer prefixes, then file order.
    func winner(of request: RequestView, _ index: DimensionIndex) -> Entry? {
        var best: (entry: Int, exact: Int, prefix: Int)?
        forEachCandidate(of: request, index) { candidate in
            guard let (exact, prefix) = match(candidate, request, index) else { return }
            if let best, (best.exact, best.prefix, candidate) >= (exact, prefix, best.entry) { return }
            best = (candidate, exact, prefix)
        }
        return best.map { entries[$0.entry] }
    }

    /// Calls `body` with every override that is filed under a value of the request.
    func forEachCandidate(of request: RequestView, _ index: DimensionIndex, _ body: (Int) -> Void) {
        for drawer in drawers {
            guard let value = index.value(drawer.dimension, of: request) else { continue }
            drawer.values.forEachMatch(value) { list in
                for position in lists[list] { body(Int(filed[Int(position)])) }
            }
        }
    }

    /// How many of its values are exact and how many bytes its prefixes have together; nil unless all match.
    private func match(
        _ entry: Int, _ request: RequestView, _ index: DimensionIndex
    ) -> (exact: Int, prefix: Int)? {
        var (exact, prefix) = (0, 0)
        for condition in entries[entry].conditions {
            guard let value = index.value(condition.dimension, of: request) else { return nil }
            switch condition.values.match(value) {
            case .exact: exact += 1
            case .prefix(let count): prefix += count
            case nil: return nil
            }
        }
        return (exact, prefix)
    }
}
