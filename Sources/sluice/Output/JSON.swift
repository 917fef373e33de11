/// A JSON value to print: objects keep the order they are written in, numbers are exact.
enum JSON {
    case null
    case bool(Bool)
    case integer(UInt64)
    /// Printed as `null` where it is not finite.
    case number(Double)
    case text(String)
    case list([JSON])
    case members([Member])

    struct Member {
        var key: String
        var value: JSON
    }

    /// One line, spaced as `{"n": 0, "trips": []}`.
    var line: String {
        var bytes: [UInt8] = []
        write(into: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    func write(into bytes: inout [UInt8]) {
        switch self {
        case .null: bytes += "null".utf8
        case .bool(let value): bytes += (value ? "true" : "false").utf8
        case .integer(let value): bytes += String(value).utf8
        case .number(let value): bytes += Self.spell(value).utf8
        case .text(let text): Self.write(text, into: &bytes)
        case .list(let values):
            Self.write(values, between: ("[", "]"), into: &bytes) { value, bytes in value.write(into: &bytes) }
        case .members(let members):
            Self.write(members, between: ("{", "}"), into: &bytes) { member, bytes in
                Self.write(member.key, into: &bytes)
                bytes += ": ".utf8
                member.value.write(into: &bytes)
            }
        }
    }

    private static func write<Element>(
        _ elements: [Element],
        between ends: (String, String),
        into bytes: inout [UInt8],
        each: (Element, inout [UInt8]) -> Void
    ) {
        bytes += ends.0.utf8
        for (index, element) in elements.enumerated() {
            if index > 0 { bytes += ", ".utf8 }
            each(element, &bytes)
        }
        bytes += ends.1.utf8
    }

    /// Whole numbers without a fraction, as counters are read.
    static func spell(_ value: Double) -> String {
        guard value.isFinite else { return "null" }
        return value == value.rounded() && abs(value) < 0x1p53 ? String(Int64(value)) : "\(value)"
    }

    /// A control character is escaped wherever JSON lets it be, so that a line is safe to show on a terminal.
    private static func write(_ text: String, into bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": bytes += "\\\"".utf8
            case "\\": bytes += "\\\\".utf8
            case "\n": bytes += "\\n".utf8
            case "\r": bytes += "\\r".utf8
            case "\t": bytes += "\\t".utf8
            case "\u{00}"..."\u{1F}", "\u{7F}"..."\u{9F}":
                let hex = String(scalar.value, radix: 16)
                bytes += "\\u\(String(repeating: "0", count: 4 - hex.count))\(hex)".utf8
            default: bytes += UTF8.encode(scalar)!
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByDictionaryLiteral, ExpressibleByArrayLiteral {
    init(stringLiteral text: String) {
        self = .text(text)
    }

    init(dictionaryLiteral members: (String, JSON)...) {
        self = .members(members.map { Member(key: $0.0, value: $0.1) })
    }

    init(arrayLiteral values: JSON...) {
        self = .list(values)
    }

    static func optional(_ value: UInt64?) -> JSON { value.map { .integer($0) } ?? .null }
    static func count(_ value: Int) -> JSON { .integer(UInt64(value)) }
    static func object(_ members: [(key: String, value: JSON)]) -> JSON {
        .members(members.map { Member(key: $0.key, value: $0.value) })
    }

    static func texts(_ texts: some Sequence<String>) -> JSON { .list(texts.map { .text($0) }) }
}
