import NIOCore

/// Where a connection comes from, without its port: IPv6, or IPv4 mapped into it.
struct PeerAddress: Hashable {
    private var high: UInt64
    private var low: UInt64

    /// Nil for a Unix socket's client, which has no address.
    init?(_ address: SocketAddress?) {
        switch address {
        case .v4(let address):
            high = 0
            low = 0xFFFF_0000_0000 | UInt64(UInt32(bigEndian: address.address.sin_addr.s_addr))
        case .v6(let address):
            (high, low) = withUnsafeBytes(of: address.address.sin6_addr) { bytes in
                (
                    UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
                    UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                )
            }
        case .unixDomainSocket, nil: return nil
        }
    }
}
