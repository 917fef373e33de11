/// Reads one JSON text from front to back, as strictly as RFC 8259 has it, and tells what it expected where.
///
/// A general decoder would read a number twice over a double, keep the last of two equal keys, and report neither.
struct JSONScanner {
    struct Problem: Error, Equatable {
        var message: String
    }

    private let bytes: [UInt8]
    private(set) var position = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    // MARK: Punctuation

    /// The next byte behind white space, not consumed; nil at the end.
    mutating func peek() -> UInt8? {
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), UInt8(ascii: "\n"): position += 1
            default: return bytes[position]
            }
        }
        return nil
    }

    mutating func expect(_ byte: Unicode.Scalar, _ what: String) throws(Problem) {
        guard peek() == UInt8(ascii: byte) else { throw problem("expected \(what)") }
        position += 1
    }

    mutating func expectEnd() throws(Problem) {
        guard peek() == nil else { throw problem("unexpected text behind the object") }
    }

    /// Reads `{"key": value, ...}`. `each` is called behind every key and its colon, and reads the value.
    mutating func object(_ what: String, each: (inout JSONScanner, String) throws(Problem) -> Void) throws(Problem) {
        try expect("{", what)
        if peek() == UInt8(ascii: "}") {
            position += 1
            return
        }
        while true {
            var key: [UInt8] = []
            try string("a key in quotes", into: &key)
            try expect(":", "':' behind a key")
            try each(&self, String(decoding: key, as: UTF8.self))
            if peek() == UInt8(ascii: "}") {
                position += 1
                return
            }
            try expect(",", "',' or '}'")
        }
    }

    /// At the byte where it was noticed, counted from 1.
    func problem(_ message: String) -> Problem {
        Problem(message: "\(message) at byte \(position + 1)")
    }

    // MARK: Values

    /// A whole number, written without a fraction or an exponent.
    mutating func integer(_ what: String, atMost largest: UInt64) throws(Problem) -> UInt64 {
        let expectation = "expected \(what), a whole number from 0 to \(largest),"
        guard let first = peek(), Self.isDigit(first) else { throw problem(expectation) }
        let start = position
        var value: UInt64 = 0
        while position < bytes.count, Self.isDigit(bytes[position]) {
            let (tenfold, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tenfold.addingReportingOverflow(UInt64(bytes[position] - UInt8(ascii: "0")))
            guard !overflow, !carry, sum <= largest else {
                position = start
                throw problem(expectation)
            }
            value = sum
            position += 1
        }
        let hasLeadingZero = first == UInt8(ascii: "0") && position - start > 1
        let goesOn =
            position < bytes.count
            && [UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E")]
                .contains(bytes[position])
        guard !hasLeadingZero, !goesOn else {
            position = start
            throw problem(expectation)
        }
        return value
    }

    /// Appends what the string in quotes stands for, in UTF-8, and returns where it lies in `text`.
    @discardableResult
    mutating func string(_ what: String, into text: inout [UInt8]) throws(Problem) -> Range<Int> {
        try expect("\"", what)
        let start = text.count
        while position < bytes.count {
            let byte = bytes[position]
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return start..<text.count
            case UInt8(ascii: "\\"):
                position += 1
                try escape(into: &text)
            case 0..<0x20:
                throw problem("unescaped control character in a string")
            default:
                text.append(byte)
                position += 1
            }
        }
        throw problem("a string without its closing quote")
    }

    /// Reads what is behind a backslash.
    private mutating func escape(into text: inout [UInt8]) throws(Problem) {
        guard position < bytes.count else { throw problem("a string without its closing quote") }
        let byte = bytes[position]
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            position += 1
            text.append(contentsOf: UTF8.encode(try escapedScalar())!)
            return
        default: throw problem("unknown escape in a string")
        }
        position += 1
    }

    /// Reads the four digits behind `\u`, and the second half of a surrogate pair.
    private mutating func escapedScalar() throws(Problem) -> Unicode.Scalar {
        let unit = try hexDigits()
        if let scalar = Unicode.Scalar(unit) { return scalar }
        guard UTF16.isLeadSurrogate(unit), bytes[position...].starts(with: "\\u".utf8) else {
            throw problem("half a surrogate pair in a string")
        }
        position += 2
        let second = try hexDigits()
        guard UTF16.isTrailSurrogate(second) else { throw problem("half a surrogate pair in a string") }
        return UTF16.decode(UTF16.EncodedScalar([unit, second]))
    }

    private mutating func hexDigits() throws(Problem) -> UInt16 {
        let digits = bytes[position...].prefix(4)
        guard digits.count == 4, digits.allSatisfy(Self.isHexDigit),
            let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw problem("expected four hexadecimal digits behind \\u") }
        position += 4
        return unit
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
    }
}
