import SluiceWire

extension WireEntity {
    /// Nil where the value is not UTF-8.
    var text: String? { String(validating: value, as: UTF8.self) }

    /// The value, safe to show. One that is not UTF-8 is shown byte by byte, so that two never look the same.
    var printableValue: String {
        if let text { return text.printable }
        return value.map { byte in
            switch byte {
            case UInt8(ascii: "\\"): "\\\\"
            case 0x20...0x7E: String(UnicodeScalar(byte))
            default: "\\x{\(String(byte, radix: 16))}"
            }
        }.joined()
    }

    /// `user=u17`, safe to show.
    var words: String { "\(dimension.printable)=\(printableValue)" }

    /// For JSON, which holds text alone: what is not UTF-8 is replaced by U+FFFD.
    var replacedText: String { String(decoding: value, as: UTF8.self) }

    /// The value's bytes in hexadecimal.
    var hex: String {
        value.map { ($0 < 0x10 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
