/// A fast hash of short byte strings for tables in memory: eight bytes at a time, multiplied to 128 bits and folded, as
/// wyhash does (Wang Yi, 2019). Nothing that is kept or sent depends on it.
@frozen
public struct ByteHash: Sendable {
    @usableFromInline let seed: UInt64

    /// - Parameter seed: random where callers choose what is hashed, so that they cannot choose where it goes.
    @inlinable
    public init(seed: UInt64) {
        self.seed = seed
    }

    @inlinable
    public func callAsFunction(_ key: UnsafeRawBufferPointer) -> UInt64 {
        let count = key.count
        var hash = seed ^ UInt64(truncatingIfNeeded: count)
        guard count >= 8 else {
            var rest: UInt64 = 0
            for byte in key { rest = rest << 8 | UInt64(byte) }
            return Self.fold(hash ^ rest)
        }
        var offset = 0
        while offset + 8 < count {
            hash = Self.fold(hash ^ key.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset += 8
        }
        // The last eight, some of them once more.
        return Self.fold(hash ^ key.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self))
    }

    @inlinable
    static func fold(_ value: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return product.high ^ product.low
    }
}
