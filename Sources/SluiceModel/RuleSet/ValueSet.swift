/// Patterns of one dimension, matched as bytes.
struct ValueSet: Sendable {
    enum Match {
        case exact
        /// Bytes of the longest prefix that matches.
        case prefix(Int)
    }

    private let exact: ByteTable
    /// Longest first, so that the first match is the longest.
    private let prefixes: [[UInt8]]

    init(_ patterns: [Pattern]) {
        exact = ByteTable(patterns.filter { !$0.isPrefix }.map { (Array($0.text.utf8), 0) })
        prefixes = patterns.filter(\.isPrefix).map { Array($0.text.utf8) }.sorted { $0.count > $1.count }
    }

    func match(_ value: UnsafeRawBufferPointer) -> Match? {
        if exact.find(value) != nil { return .exact }
        for prefix in prefixes where prefix.count <= value.count && value.starts(with: prefix) {
            return .prefix(prefix.count)
        }
        return nil
    }
}
