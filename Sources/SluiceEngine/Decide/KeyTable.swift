import SluiceModel

/// The distinct keys of one batch, found by their bytes. Emptied in constant time and reused.
struct KeyTable {
    private struct Slot {
        /// The filling of the table this slot belongs to; any other: free.
        var filling: UInt32
        var key: Int32
    }

    private var slots: [Slot]
    private var filling: UInt32 = 1
    private var bytes: [UInt8] = []
    /// Where each key ends in `bytes`.
    private var ends: [Int32] = []

    init() {
        slots = Array(repeating: Slot(filling: 0, key: 0), count: 512)
    }

    var count: Int { ends.count }

    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        if filling == .max {
            for index in slots.indices { slots[index].filling = 0 }
            filling = 0
        }
        filling += 1
    }

    /// The number of `key`, from 0, and whether it is new.
    mutating func insert(_ key: [UInt8]) -> (number: Int, isNew: Bool) {
        if ends.count * 2 >= slots.count { grow() }
        let index = key.withUnsafeBytes { probe($0) }
        if slots[index].filling == filling { return (Int(slots[index].key), false) }
        slots[index] = Slot(filling: filling, key: Int32(ends.count))
        bytes.append(contentsOf: key)
        ends.append(Int32(bytes.count))
        return (ends.count - 1, true)
    }

    private func probe(_ key: UnsafeRawBufferPointer) -> Int {
        let mask = slots.count - 1
        var index = Int(truncatingIfNeeded: ByteTable.hash(key)) & mask
        while slots[index].filling == filling {
            if holds(key, at: Int(slots[index].key)) { return index }
            index = (index + 1) & mask
        }
        return index
    }

    private func range(of number: Int) -> Range<Int> {
        (number == 0 ? 0 : Int(ends[number - 1]))..<Int(ends[number])
    }

    private func holds(_ key: UnsafeRawBufferPointer, at number: Int) -> Bool {
        let range = range(of: number)
        guard range.count == key.count else { return false }
        return bytes.withUnsafeBytes { UnsafeRawBufferPointer(rebasing: $0[range]).elementsEqual(key) }
    }

    private mutating func grow() {
        slots = Array(repeating: Slot(filling: 0, key: 0), count: slots.count * 2)
        filling = 1
        for number in ends.indices {
            let range = range(of: number)
            let index = bytes.withUnsafeBytes { probe(UnsafeRawBufferPointer(rebasing: $0[range])) }
            slots[index] = Slot(filling: filling, key: Int32(number))
        }
    }
}
