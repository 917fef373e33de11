/// The addresses that begin with the same bits: `203.0.113.0/24`, `2001:db8::/32`, or a single one.
public struct IPNetwork: Hashable, Sendable {
    /// Its first address.
    public let address: IPAddress
    /// Leading bits that its addresses share, up to 32 or 128.
    public let prefix: Int

    /// The network of so many bits around `address`; a prefix beyond the address' bits is that address alone.
    public init(around address: IPAddress, prefix: Int) {
        self.prefix = min(max(prefix, 0), address.family.bits)
        self.address = address.cut(to: self.prefix)
    }

    public func contains(_ address: IPAddress) -> Bool {
        address.family == self.address.family && address.cut(to: prefix) == self.address
    }

    public var isSingleAddress: Bool { prefix == address.family.bits }
}

extension IPNetwork: CustomStringConvertible {
    public var description: String {
        var text: [UInt8] = []
        write(into: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Appends its canonical text; a single address has no `/32` behind it.
    public func write(into text: inout [UInt8]) {
        address.write(into: &text)
        guard !isSingleAddress else { return }
        text.append(UInt8(ascii: "/"))
        if prefix >= 100 { text.append(UInt8(ascii: "1")) }
        if prefix >= 10 { text.append(UInt8(ascii: "0") + UInt8(prefix / 10 % 10)) }
        text.append(UInt8(ascii: "0") + UInt8(prefix % 10))
    }
}

extension IPNetwork {
    /// Why a text is no network.
    public enum Problem: Error, Hashable, Sendable {
        case notAnAddress
        /// What stands behind the `/` is no whole number from 0 to `longest`.
        case badPrefix(longest: Int)
        /// Bits behind the prefix are set; `network` is the one that the address lies in.
        case hostBitsSet(network: IPNetwork)
    }

    /// Reads an address with or without a `/` and a number of bits. An IPv4-mapped network (`::ffff:192.0.2.0/120`) is
    /// the IPv4 one.
    public init(_ text: UnsafeRawBufferPointer) throws(Problem) {
        guard let slash = text.lastIndex(of: UInt8(ascii: "/")) else {
            guard let address = IPAddress(text) else { throw .notAnAddress }
            self.init(around: address, prefix: address.family.bits)
            return
        }
        guard let (address, isMapped) = IPAddress.parse(UnsafeRawBufferPointer(rebasing: text[..<slash])) else {
            throw .notAnAddress
        }
        // Of an IPv4-mapped address the first 96 bits are those that say so.
        let mappingBits = isMapped ? 96 : 0
        let longest = address.family.bits + mappingBits
        guard let written = Self.prefix(text[(slash + 1)...], atMost: longest), written >= mappingBits else {
            throw .badPrefix(longest: longest)
        }
        self.init(around: address, prefix: written - mappingBits)
        guard self.address == address else { throw .hostBitsSet(network: self) }
    }

    public init(_ text: some StringProtocol) throws(Problem) {
        self = try Array(text.utf8).withUnsafeBufferPointer { (bytes) throws(Problem) in
            try IPNetwork(UnsafeRawBufferPointer(bytes))
        }
    }

    private static func prefix(_ digits: Slice<UnsafeRawBufferPointer>, atMost longest: Int) -> Int? {
        guard (1...3).contains(digits.count), digits.count == 1 || digits.first != UInt8(ascii: "0"),
            let number = UInt64(decimal: digits), number <= UInt64(longest)
        else { return nil }
        return Int(number)
    }
}
