/// Patterns of one dimension, matched as bytes.
struct ValueSet: Sendable {
    enum Match {
        case exact
        /// Bytes of the longest prefix that matches.
        case prefix(Int)
    }

    private let patterns: PatternTable

    init(_ patterns: [Pattern]) {
        self.patterns = PatternTable(patterns.map { ($0, 0) })
    }

    func match(_ value: UnsafeRawBufferPointer) -> Match? {
        if patterns.literal(value) != nil { return .exact }
        return patterns.longestPrefix(value).map { .prefix($0.count) }
    }
}
