/// An immutable map from byte strings to small integers, looked up without building a `String`.
///
/// Open addressing with linear probing at a load of at most one half. Its keys come from the limits file, so a
/// caller cannot make its probes long: only what the operator wrote collides.
public struct ByteTable: Sendable {
    private struct Slot {
        var offset: UInt32
        var count: UInt32
        /// Negative: free.
        var value: Int32
    }

    private var slots: [Slot]
    private var bytes: [UInt8] = []
    private let mask: Int

    /// - Parameter entries: distinct keys; of equal ones the first wins. Values are not negative.
    public init(_ entries: [(key: [UInt8], value: Int)]) {
        var capacity = 4
        while capacity < entries.count * 2 { capacity *= 2 }
        slots = Array(repeating: Slot(offset: 0, count: 0, value: -1), count: capacity)
        mask = capacity - 1
        for (key, value) in entries {
            let index = key.withUnsafeBytes { probe($0) }
            guard slots[index].value < 0 else { continue }
            slots[index] = Slot(offset: UInt32(bytes.count), count: UInt32(key.count), value: Int32(value))
            bytes.append(contentsOf: key)
        }
    }

    /// The value of `key`, or nil.
    public func find(_ key: UnsafeRawBufferPointer) -> Int? {
        let value = slots[probe(key)].value
        return value < 0 ? nil : Int(value)
    }

    /// The slot that holds `key`, or the free one where it would go.
    private func probe(_ key: UnsafeRawBufferPointer) -> Int {
        var index = Int(truncatingIfNeeded: ByteHash(seed: 0)(key)) & mask
        while true {
            let slot = slots[index]
            if slot.value < 0 { return index }
            if Int(slot.count) == key.count, holds(key, at: Int(slot.offset)) { return index }
            index = (index + 1) & mask
        }
    }

    private func holds(_ key: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        bytes.withUnsafeBytes { all in
            for index in 0..<key.count where all[offset + index] != key[index] { return false }
            return true
        }
    }

    /// FNV-1a, 64 bits (Fowler, Noll, Vo), folded so that the low bits depend on all of it. Cells in Redis carry it: it
    /// stays what it is.
    @inlinable
    public static func hash(_ key: UnsafeRawBufferPointer) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in key { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return hash ^ (hash >> 32)
    }
}
