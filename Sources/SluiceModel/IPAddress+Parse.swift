extension IPAddress {
    /// Reads every text form of RFC 4291, section 2.2, and dotted decimal without leading zeros, which some read as
    /// octal. Nil for anything else; a zone (`fe80::1%eth0`) names an interface of one host and is none either.
    public init?(_ text: UnsafeRawBufferPointer) {
        guard let (address, _) = Self.parse(text) else { return nil }
        self = address
    }

    public init?(_ text: some StringProtocol) {
        guard let address = Array(text.utf8).withUnsafeBytes({ IPAddress($0) }) else { return nil }
        self = address
    }

    /// The address, and whether it was written as an IPv4-mapped one.
    static func parse(_ text: UnsafeRawBufferPointer) -> (address: IPAddress, isMapped: Bool)? {
        // The longest has six groups of four digits and twelve of IPv4.
        guard (2...45).contains(text.count) else { return nil }
        if let number = parseV4(text, from: 0) { return (IPAddress(.v4, UInt128(number)), false) }
        guard let number = parseV6(text) else { return nil }
        if number >> 32 == 0xFFFF { return (IPAddress(.v4, number), true) }
        return (IPAddress(.v6, number), false)
    }

    /// The dotted decimal address that `text` holds from `start` to its end.
    private static func parseV4(_ text: UnsafeRawBufferPointer, from start: Int) -> UInt32? {
        var (number, part): (UInt32, UInt32) = (0, 0)
        var (parts, digits) = (0, 0)
        for index in start..<text.count {
            let byte = text[index]
            if byte == UInt8(ascii: ".") {
                guard digits > 0, parts < 3 else { return nil }
                number = number << 8 | part
                parts += 1
                (part, digits) = (0, 0)
            } else {
                guard let digit = decimalDigit(byte), digits == 0 || part > 0 else { return nil }
                part = part * 10 + digit
                digits += 1
                guard part <= 255 else { return nil }
            }
        }
        guard parts == 3, digits > 0 else { return nil }
        return number << 8 | part
    }

    private static func parseV6(_ text: UnsafeRawBufferPointer) -> UInt128? {
        var number: UInt128 = 0
        var groups = 0
        /// Groups in front of the `::`.
        var gap: Int?
        var index = 0
        if text[0] == UInt8(ascii: ":") {
            guard text[1] == UInt8(ascii: ":") else { return nil }
            gap = 0
            index = 2
        }
        while index < text.count {
            let start = index
            var group: UInt128 = 0
            while index < text.count, index - start < 4, let digit = hexDigit(text[index]) {
                group = group << 4 | digit
                index += 1
            }
            guard index > start, groups < 8 else { return nil }
            if index < text.count, text[index] == UInt8(ascii: ".") {
                guard groups <= 6, let tail = parseV4(text, from: start) else { return nil }
                number = number << 32 | UInt128(tail)
                groups += 2
                break
            }
            number = number << 16 | group
            groups += 1
            guard index < text.count else { break }
            guard text[index] == UInt8(ascii: ":") else { return nil }
            index += 1
            // A single colon ends no address.
            guard index < text.count else { return nil }
            guard text[index] == UInt8(ascii: ":") else { continue }
            guard gap == nil else { return nil }
            gap = groups
            index += 1
        }
        guard let gap else { return groups == 8 ? number : nil }
        // The `::` stands for one group at least.
        guard groups < 8 else { return nil }
        let tail = UInt128(16 * (groups - gap))
        return ((number >> tail) << UInt128(16 * (8 - gap))) | (number & ((1 << tail) - 1))
    }

    private static func decimalDigit(_ byte: UInt8) -> UInt32? {
        let digit = byte &- UInt8(ascii: "0")
        return digit < 10 ? UInt32(digit) : nil
    }

    private static func hexDigit(_ byte: UInt8) -> UInt128? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt128(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt128(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt128(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }
}
