/// Finds what somebody meant to write.
public enum NearestSpelling {
    /// Longer texts are no misspelling of anything that has a name here.
    private static let longestText = 64

    /// The candidate that `text` most likely misspells, nil if none is near: a third of its letters may be wrong, or
    /// one may continue the other.
    public static func of(_ text: String, among candidates: [String]) -> String? {
        guard text.utf8.count <= longestText else { return nil }
        let written = folded(text)
        var nearest: (distance: Int, candidate: String)?
        for candidate in candidates {
            let meant = folded(candidate)
            let allowed = min(2, max(written.count, meant.count) / 3)
            guard let distance = distance(written, meant, atMost: allowed) else { continue }
            if distance < nearest?.distance ?? .max { nearest = (distance, candidate) }
        }
        if let nearest { return nearest.candidate }
        return candidates.first {
            let meant = folded($0)
            return min(meant.count, written.count) >= 3 && (meant.starts(with: written) || written.starts(with: meant))
        }
    }

    /// Insertions, deletions, replacements and swaps of neighbours between two texts, nil if more than `limit`
    /// (optimal string alignment).
    static func distance(_ a: [UInt8], _ b: [UInt8], atMost limit: Int) -> Int? {
        guard abs(a.count - b.count) <= limit else { return nil }
        var beforeLast: [Int] = []
        var last = Array(0...b.count)
        for i in a.indices {
            var row = [i + 1]
            row.reserveCapacity(b.count + 1)
            for j in b.indices {
                var cost = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, beforeLast[j - 1] + 1) }
                row.append(cost)
            }
            beforeLast = last
            last = row
        }
        return last[b.count] <= limit ? last[b.count] : nil
    }

    /// Without what people mix up: case, and the two dashes.
    private static func folded(_ text: String) -> [UInt8] {
        text.lowercased().utf8.map { $0 == UInt8(ascii: "-") ? UInt8(ascii: "_") : $0 }
    }
}

/// `text` in quotes, short and on one line, for a message.
func quoted(_ text: String) -> String {
    let longest = 40
    var shown = "\""
    for scalar in text.unicodeScalars.prefix(longest) {
        shown += scalar.properties.generalCategory == .control ? "?" : String(scalar)
    }
    return shown + (text.unicodeScalars.count > longest ? "...\"" : "\"")
}
