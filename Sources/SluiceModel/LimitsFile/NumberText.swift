/// What people write for a whole number.
enum NumberText {
    /// The whole number that `5k`, `1e3`, `5.0`, `5,000` or `10 000` stands for, as the file writes it; nil if that is
    /// anyone's guess or outside of `range`.
    static func nearest(to text: String, in range: ClosedRange<UInt64>) -> String? {
        guard text.utf8.count <= 32 else { return nil }
        var plain = text.lowercased().filter { !$0.isWhitespace && $0 != "_" && $0 != "'" && $0 != "+" }
        var factor = 1.0
        switch plain.last {
        case "k": factor = 1e3
        case "m": factor = 1e6
        default: break
        }
        if factor > 1 { plain.removeLast() }
        if isGrouped(plain, by: ",") { plain.removeAll { $0 == "," } }
        // 5.000 is five to some and five thousand to others. Spellings that only Double knows (hexadecimal, inf, nan)
        // are nobody's count.
        guard !isGrouped(plain, by: "."),
            plain.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "e") }),
            let value = Double(plain).map({ $0 * factor }), value < 0x1p53, value == value.rounded(.down)
        else { return nil }
        let number = UInt64(value)
        return range.contains(number) ? grouped(number) : nil
    }

    /// Whether `separator` stands between groups of three digits.
    private static func isGrouped(_ text: String, by separator: Character) -> Bool {
        let groups = text.split(separator: separator, omittingEmptySubsequences: false)
        return groups.count > 1 && groups.dropFirst().allSatisfy { $0.utf8.count == 3 }
    }

    /// `5_000_000`.
    private static func grouped(_ number: UInt64) -> String {
        var digits = Array(String(number).utf8)
        for position in stride(from: digits.count - 3, to: 0, by: -3) { digits.insert(UInt8(ascii: "_"), at: position) }
        return String(decoding: digits, as: UTF8.self)
    }
}
