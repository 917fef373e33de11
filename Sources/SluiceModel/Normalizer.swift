/// How the values of one dimension are rewritten before they are matched, listed or counted.
public enum Normalizer: Hashable, Sendable {
    /// A to Z become a to z; all other bytes stay.
    case lower
    /// An IP address is written in its one canonical form, cut to the network of so many leading bits: 1 to 32 for
    /// IPv4, 1 to 128 for IPv6. What is no address stays as it is.
    case ip(v4Prefix: Int, v6Prefix: Int)

    /// Whether it is of type ip, so that its lists may name networks.
    public var isAddress: Bool {
        switch self {
        case .lower: false
        case .ip: true
        }
    }

    /// How a list names `network`. A single address keeps its full length where values are cut shorter: without it, it
    /// would be read as a value, and mean the network that it is cut to.
    public func listText(of network: IPNetwork) -> String {
        guard case .ip(let v4Prefix, let v6Prefix) = self, network.isSingleAddress else { return "\(network)" }
        let prefix = network.address.family == .v4 ? v4Prefix : v6Prefix
        return prefix < network.prefix ? "\(network)/\(network.prefix)" : "\(network)"
    }

    /// Appends the normalised form of `value` and returns true; appends nothing and returns false where that is
    /// `value` itself. Applied to what it made, it changes nothing.
    ///
    /// Allocates only where `bytes` has to grow, and not at all for a value that stays.
    public func apply(_ value: UnsafeRawBufferPointer, into bytes: inout [UInt8]) -> Bool {
        switch self {
        case .lower:
            guard value.contains(where: { Self.isUpper($0) }) else { return false }
            for byte in value { bytes.append(Self.isUpper(byte) ? byte | 0x20 : byte) }
            return true
        case .ip(let v4Prefix, let v6Prefix):
            guard let address = IPAddress(value) else { return false }
            let start = bytes.count
            let prefix = address.family == .v4 ? v4Prefix : v6Prefix
            IPNetwork(around: address, prefix: prefix).write(into: &bytes)
            let isSame = bytes.withUnsafeBytes { $0[start...].elementsEqual(value) }
            if isSame { bytes.removeLast(bytes.count - start) }
            return !isSame
        }
    }

    private static func isUpper(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
    }
}
