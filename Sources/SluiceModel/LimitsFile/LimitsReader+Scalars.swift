extension LimitsReader {
    /// The text of a single value, nil if there is none.
    func text(_ node: YAMLNode, name: String) -> String? {
        if case .scalar(let text, _) = node.content, !node.isMissing { return text }
        if !node.isUnreadable {
            let kind = node.isMissing ? "a value" : "a single value, not \(node.kind)"
            report.error(at: node.position, "\"\(name)\" needs \(kind)")
        }
        return nil
    }

    /// A whole number as people write it, `500_000` for 500000; never a quoted one.
    func integer(_ node: YAMLNode, name: String, in range: ClosedRange<UInt64>) -> UInt64? {
        guard let text = text(node, name: name) else { return nil }
        let bounds = "a whole number from \(range.lowerBound) to \(range.upperBound)"
        guard case .scalar(_, isPlain: true) = node.content else {
            report.error(at: node.position, "\"\(name)\" must be \(bounds), without quotes")
            return nil
        }
        let groups = text.utf8.split(separator: UInt8(ascii: "_"), omittingEmptySubsequences: false)
        let isNumber = groups.allSatisfy { !$0.isEmpty && $0.allSatisfy { (0x30...0x39).contains($0) } }
        guard isNumber else {
            let hint =
                hintOfInvisible(in: text) ?? NumberText.nearest(to: text, in: range).map { "; did you mean \"\($0)\"?" }
                ?? ""
            report.error(at: node.position, "\"\(name)\" must be \(bounds), not \(quoted(text))\(hint)")
            return nil
        }
        guard text.utf8.count == 1 || text.utf8.first != UInt8(ascii: "0") else {
            report.error(at: node.position, "\"\(name)\" must not begin with a zero: \(quoted(text))")
            return nil
        }
        guard let number = UInt64(decimal: groups.joined()), range.contains(number) else {
            report.error(at: node.position, "\"\(name)\" must be \(bounds); \(quoted(text)) is outside")
            return nil
        }
        return number
    }

    /// One of a few words.
    func word(_ node: YAMLNode, name: String, among words: [String]) -> String? {
        guard let text = text(node, name: name) else { return nil }
        if words.contains(text) { return text }
        let hint =
            NearestSpelling.of(text, among: words).map { "did you mean \"\($0)\"?" }
            ?? "it can be: \(words.joined(separator: ", "))"
        report.error(at: node.position, "unknown \(name) \(quoted(text)); \(hint)")
        return nil
    }

    /// `true` or `false`; the other words that YAML 1.1 takes for them are refused with the right one.
    func bool(_ node: YAMLNode, name: String) -> Bool? {
        guard let text = text(node, name: name) else { return nil }
        guard case .scalar(_, isPlain: true) = node.content else {
            report.error(at: node.position, "\"\(name)\" must be true or false, without quotes")
            return nil
        }
        switch text {
        case "true": return true
        case "false": return false
        default: break
        }
        let hint =
            switch text.lowercased() {
            case "true", "yes", "on", "y", "1": "; did you mean \"true\"?"
            case "false", "no", "off", "n", "0": "; did you mean \"false\"?"
            default: ""
            }
        report.error(at: node.position, "\"\(name)\" must be true or false, not \(quoted(text))\(hint)")
        return nil
    }

    /// A length of time, and how it was written.
    func duration(_ node: YAMLNode, name: String, in range: ClosedRange<UInt64>) -> (ms: UInt64, text: String)? {
        guard let text = text(node, name: name) else { return nil }
        guard let ms = DurationText.parseMs(text) else {
            let hint =
                hintOfInvisible(in: text) ?? DurationText.nearest(to: text).map { "; did you mean \"\($0)\"?" }
                ?? (UInt64(decimal: text.utf8) == nil ? "" : "; it needs a unit")
            report.error(
                at: node.position,
                "\"\(name)\" must be a duration such as 500ms, 10s, 1m, 2h or 1d, not \(quoted(text))\(hint)")
            return nil
        }
        guard range.contains(ms) else {
            let (least, most) = (DurationText.spell(ms: range.lowerBound), DurationText.spell(ms: range.upperBound))
            report.error(at: node.position, "\"\(name)\" must be from \(least) to \(most), not \(quoted(text))")
            return nil
        }
        return (ms, text)
    }

    /// A dimension's name, counted as used.
    func dimension(_ node: YAMLNode, name: String) -> String? {
        guard let text = text(node, name: name), checkDimension(text, at: node.position) else { return nil }
        return text
    }

    /// Whether `text` can name a dimension; a use of it if so, or its declaration.
    func checkDimension(_ text: String, at position: SourcePosition, declares: Bool = false) -> Bool {
        let isValid = (1...Caps.dimensionBytes).contains(text.utf8.count) && text.utf8.allSatisfy(isDimensionByte)
        guard isValid else {
            let bytes = text.lowercased().utf8.map { isDimensionByte($0) ? $0 : UInt8(ascii: "_") }
            let isNear = (1...Caps.dimensionBytes).contains(bytes.count) && text.utf8.allSatisfy { $0 < 0x80 }
            let nearest = isNear ? "; did you mean \"\(String(decoding: bytes, as: UTF8.self))\"?" : ""
            let hint = hintOfInvisible(in: text) ?? nearest
            report.error(at: position, "\(quoted(text)) is no dimension: 1 to 32 characters of a-z, 0-9 and _\(hint)")
            return false
        }
        if declares {
            dimensions.noteDeclaration(text, at: position)
        } else {
            dimensions.note(text, at: position)
        }
        return true
    }

    private func isDimensionByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"): true
        default: false
        }
    }

    /// An action, or the beginning of one with a star behind it.
    func action(_ node: YAMLNode, name: String) -> Pattern? {
        guard let text = text(node, name: name) else { return nil }
        let pattern = Pattern(spelled: text)
        guard !text.isEmpty, pattern.text.utf8.count <= Caps.actionBytes else {
            report.error(at: node.position, "an action has 1 to 64 bytes")
            return nil
        }
        guard !pattern.text.utf8.contains(UInt8(ascii: "*")) else {
            report.error(at: node.position, "a \"*\" can only be the last character of an action: \(quoted(text))")
            return nil
        }
        guard pattern.text.unicodeScalars.allSatisfy(isPrintable) else {
            let hint = hintOfInvisible(in: text) ?? ""
            report.error(
                at: node.position, "an action has no spaces and no control characters: \(quoted(text))\(hint)")
            return nil
        }
        if pattern.text.unicodeScalars.contains(where: Self.typographicQuotes.contains) {
            report.warning(
                at: node.position,
                "the typographic quotes are part of the action \(quoted(text)); write plain ones (\", ') around a text")
        }
        return pattern
    }

    private static let typographicQuotes: [Unicode.Scalar] = [
        "\u{201C}", "\u{201D}", "\u{201E}", "\u{2018}", "\u{2019}",
    ]

    private func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .spaceSeparator, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }
}
