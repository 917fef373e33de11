/// Patterns in an order in which one that matches is found without looking at the others.
struct PatternIndex {
    private var literals: Set<[UInt8]> = []
    /// Sorted, without those that a shorter one begins: so at most one begins any text, the last that is not above it.
    private var prefixes: [[UInt8]] = []
    /// Of all patterns, sorted.
    private var texts: [[UInt8]] = []

    init(_ patterns: [Pattern]) {
        for pattern in patterns where !pattern.isPrefix { literals.insert(Array(pattern.text.utf8)) }
        texts = Self.sorted(patterns.map { Array($0.text.utf8) })
        for prefix in Self.sorted(patterns.filter(\.isPrefix).map({ Array($0.text.utf8) })) {
            if let last = prefixes.last, prefix.starts(with: last) { continue }
            prefixes.append(prefix)
        }
    }

    private static func sorted(_ texts: [[UInt8]]) -> [[UInt8]] {
        texts.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// Whether one of them matches all that `pattern` matches.
    func covers(_ pattern: Pattern) -> Bool {
        let text = Array(pattern.text.utf8)
        if !pattern.isPrefix, literals.contains(text) { return true }
        let above = prefixes.firstIndex(from: { text.lexicographicallyPrecedes($0) })
        return above > 0 && text.starts(with: prefixes[above - 1])
    }

    /// Whether one of them matches something that `pattern` matches.
    func overlaps(_ pattern: Pattern) -> Bool {
        if covers(pattern) { return true }
        guard pattern.isPrefix else { return false }
        let text = Array(pattern.text.utf8)
        let first = texts.firstIndex(from: { !$0.lexicographicallyPrecedes(text) })
        return first < texts.count && texts[first].starts(with: text)
    }
}

extension [[UInt8]] {
    /// The first index from which on the condition holds, where it holds for all behind the first; `count` if for none.
    fileprivate func firstIndex(from holds: ([UInt8]) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = low + (high - low) / 2
            if holds(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
