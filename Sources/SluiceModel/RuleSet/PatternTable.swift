/// Literals and prefixes with a number each, found by a few look-ups of bytes however many there are: one for the
/// literals, and one for each length that a prefix has.
struct PatternTable: Sendable {
    private let literals: ByteTable?
    private let prefixes: ByteTable?
    /// Of the prefixes, longest first.
    private let lengths: [Int]

    /// - Parameter entries: distinct patterns; of equal ones the first wins. Numbers are not negative.
    init(_ entries: [(pattern: Pattern, number: Int)]) {
        func table(ofPrefixes isPrefix: Bool) -> ByteTable? {
            let chosen = entries.filter { $0.pattern.isPrefix == isPrefix }
            return chosen.isEmpty ? nil : ByteTable(chosen.map { (Array($0.pattern.text.utf8), $0.number) })
        }
        literals = table(ofPrefixes: false)
        prefixes = table(ofPrefixes: true)
        lengths = Set(entries.lazy.filter(\.pattern.isPrefix).map(\.pattern.text.utf8.count)).sorted(by: >)
    }

    /// The number of the literal that is `text`.
    func literal(_ text: UnsafeRawBufferPointer) -> Int? {
        literals?.find(text)
    }

    /// The longest prefix that begins `text`, and its bytes.
    func longestPrefix(_ text: UnsafeRawBufferPointer) -> (number: Int, count: Int)? {
        guard let prefixes else { return nil }
        for length in lengths where length <= text.count {
            let beginning = UnsafeRawBufferPointer(rebasing: text[..<length])
            if let number = prefixes.find(beginning) { return (number, length) }
        }
        return nil
    }

    /// Calls `body` with the number of every pattern that matches `text`.
    func forEachMatch(_ text: UnsafeRawBufferPointer, _ body: (Int) -> Void) {
        if let number = literal(text) { body(number) }
        guard let prefixes else { return }
        for length in lengths where length <= text.count {
            let beginning = UnsafeRawBufferPointer(rebasing: text[..<length])
            if let number = prefixes.find(beginning) { body(number) }
        }
    }
}
