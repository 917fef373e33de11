/// What a message adds about a text that looks right and is not; nil if nothing hides in it.
func hintOfInvisible(in text: String) -> String? {
    text.unicodeScalars.first(where: \.isInvisible).map { "; an invisible character (\($0.codePoint)) stands in it" }
}

extension Unicode.Scalar {
    /// Whether it looks like a space or like nothing, and YAML takes it for a letter: what comes with text that is
    /// copied from a page. The joiners that some scripts need are none of these.
    var isInvisible: Bool {
        switch self {
        case "\u{A0}", "\u{AD}", "\u{2000}"..."\u{200B}", "\u{200E}", "\u{200F}", "\u{202A}"..."\u{202F}",
            "\u{205F}"..."\u{2064}", "\u{3000}", "\u{FEFF}":
            true
        default: false
        }
    }

    /// `U+00A0`.
    var codePoint: String {
        let hex = String(value, radix: 16, uppercase: true)
        return "U+" + String(repeating: "0", count: max(0, 4 - hex.count)) + hex
    }
}
