import SluiceModel

/// One entity on a list that operators keep, as Redis has it.
struct Listing: Hashable, Sendable {
    var kind: ListKind
    /// Unix ms by the clock of Redis; 0: for good.
    var untilMs: UInt64
    var sinceMs: UInt64
    var by: String
    var reason: String

    func isOver(at redisTimeMs: UInt64) -> Bool { untilMs != 0 && untilMs <= redisTimeMs }
}

extension Listing {
    /// Reads a value of the hash: `<kind> <until> <since> <bytes of by> <by><reason>`. Nil for what a later version
    /// may write, which this one leaves alone.
    init?(_ value: UnsafeRawBufferPointer) {
        var rest = value[...]
        func word() -> UInt64? {
            guard let space = rest.firstIndex(of: UInt8(ascii: " ")) else { return nil }
            let number = UInt64(decimal: rest[..<space])
            rest = rest[(space + 1)...]
            return number
        }
        guard let kind = word().flatMap({ UInt8(exactly: $0) }).flatMap({ ListKind(rawValue: $0) }),
            let untilMs = word(), let sinceMs = word(), let byCount = word(), byCount <= UInt64(rest.count)
        else { return nil }
        self.init(
            kind: kind, untilMs: untilMs, sinceMs: sinceMs,
            by: String(decoding: rest.prefix(Int(byCount)), as: UTF8.self),
            reason: String(decoding: rest.dropFirst(Int(byCount)), as: UTF8.self))
    }
}

/// What a listing is of, as its field in Redis: `<dimension>=<value>`, the value byte for byte.
struct ListingField: Hashable, Sendable, Comparable {
    let bytes: [UInt8]

    init(dimension: String, value: some Sequence<UInt8>) {
        bytes = Array(dimension.utf8) + [UInt8(ascii: "=")] + value
    }

    /// - Parameter bytes: as Redis has them.
    init(_ bytes: some Sequence<UInt8>) {
        self.bytes = Array(bytes)
    }

    /// A dimension has no `=`.
    private var end: Int { bytes.firstIndex(of: UInt8(ascii: "=")) ?? bytes.count }
    var dimension: String { String(decoding: bytes[..<end], as: UTF8.self) }
    var value: ArraySlice<UInt8> { bytes[min(end + 1, bytes.count)...] }

    static func < (lhs: ListingField, rhs: ListingField) -> Bool { lhs.bytes.lexicographicallyPrecedes(rhs.bytes) }
}
