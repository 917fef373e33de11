/// An address of IPv4 or IPv6. An IPv4-mapped one (`::ffff:192.0.2.1`) is the IPv4 address it stands for, so that a
/// caller is the same one whichever socket it came through.
public struct IPAddress: Hashable, Sendable {
    public enum Family: UInt8, Sendable {
        case v4 = 4
        case v6 = 6

        /// Bits of an address: the longest prefix.
        public var bits: Int {
            switch self {
            case .v4: 32
            case .v6: 128
            }
        }
    }

    public let family: Family
    /// The address as a number: of IPv4 the low 32 bits, the others being zero.
    public let number: UInt128

    /// - Parameter number: bits above those of the family are dropped.
    public init(_ family: Family, _ number: UInt128) {
        self.family = family
        self.number = number & Self.ones(family.bits)
    }

    /// The address without what lies behind its first `prefix` bits. A prefix that is too long cuts nothing.
    public func cut(to prefix: Int) -> IPAddress {
        let kept = min(max(prefix, 0), family.bits)
        return IPAddress(family, number & ~Self.ones(family.bits - kept))
    }

    /// So many ones, from the lowest bit up.
    private static func ones(_ count: Int) -> UInt128 {
        count >= 128 ? .max : (1 << UInt128(count)) - 1
    }
}

extension IPAddress: CustomStringConvertible {
    public var description: String {
        var text: [UInt8] = []
        write(into: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Appends the one canonical text: dotted decimal, or as RFC 5952 writes IPv6. At most 39 bytes.
    public func write(into text: inout [UInt8]) {
        switch family {
        case .v4:
            for byte in 0..<4 {
                if byte > 0 { text.append(UInt8(ascii: ".")) }
                Self.writeDecimal(UInt8(truncatingIfNeeded: number >> UInt128(24 - 8 * byte)), into: &text)
            }
        case .v6:
            let gap = longestRunOfZeros()
            var group = 0
            while group < 8 {
                if group == gap.lowerBound, !gap.isEmpty {
                    text.append(UInt8(ascii: ":"))
                    text.append(UInt8(ascii: ":"))
                    group = gap.upperBound
                    continue
                }
                if group > 0, group != gap.upperBound || gap.isEmpty { text.append(UInt8(ascii: ":")) }
                Self.writeHexadecimal(self.group(group), into: &text)
                group += 1
            }
        }
    }

    /// The 16 bits of one of the eight groups of an IPv6 address, from the left.
    private func group(_ index: Int) -> UInt16 {
        UInt16(truncatingIfNeeded: number >> UInt128(112 - 16 * index))
    }

    /// The groups that `::` stands for: of the longest runs of at least two zeros the first; empty if there is none.
    private func longestRunOfZeros() -> Range<Int> {
        var longest = 0..<0
        var start = 0
        for index in 0..<8 {
            guard group(index) == 0 else {
                start = index + 1
                continue
            }
            if index + 1 - start > max(longest.count, 1) { longest = start..<index + 1 }
        }
        return longest
    }

    private static func writeDecimal(_ byte: UInt8, into text: inout [UInt8]) {
        let zero = UInt8(ascii: "0")
        if byte >= 100 { text.append(zero + byte / 100) }
        if byte >= 10 { text.append(zero + byte / 10 % 10) }
        text.append(zero + byte % 10)
    }

    private static func writeHexadecimal(_ group: UInt16, into text: inout [UInt8]) {
        var shift = max(0, (15 - group.leadingZeroBitCount) / 4 * 4)
        while shift >= 0 {
            let digit = UInt8(truncatingIfNeeded: group >> UInt16(shift)) & 15
            text.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            shift -= 4
        }
    }
}
