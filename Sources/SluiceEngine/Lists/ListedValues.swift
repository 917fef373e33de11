import SluiceModel

/// An immutable map from (dimension, bytes) to what is listed, looked up without building anything.
///
/// Open addressing with linear probing at a load of at most one half, by a keyed hash: those who are put on lists
/// choose their values, and must not choose their places.
struct ListedValues: Sendable {
    struct Entry: Sendable {
        /// Index of its dimension in the table it belongs to.
        var dimension: UInt32
        /// Nil: on no list any more, whatever an older table says.
        var kind: ListKind?
        /// Unix ms; 0: for good.
        var untilMs: UInt64
        fileprivate var offset: UInt32
        fileprivate var count: UInt32
    }

    private var entries: [Entry] = []
    private var bytes: [UInt8] = []
    /// Indices into `entries`; negative: free.
    private var slots: [Int32] = []
    private var mask = 0

    init() {}

    /// - Parameter expected: how many entries are to come; beyond, it grows.
    init(expecting expected: Int) {
        entries.reserveCapacity(expected)
        rehash(for: expected)
    }

    /// Adds an entry. Of two for the same bytes the one of the stronger kind stays, and of equal ones the longer.
    mutating func add(_ value: some Collection<UInt8>, dimension: UInt32, kind: ListKind?, untilMs: UInt64) {
        if (entries.count + 1) * 2 > slots.count { rehash(for: entries.count + 1) }
        let added = Entry(
            dimension: dimension, kind: kind, untilMs: untilMs, offset: UInt32(bytes.count), count: UInt32(value.count))
        let slot = Array(value).withUnsafeBytes { probe($0, dimension) }
        let known = Int(slots[slot])
        guard known >= 0 else {
            slots[slot] = Int32(entries.count)
            entries.append(added)
            bytes.append(contentsOf: value)
            return
        }
        if ListEffect.strength(kind, untilMs) > ListEffect.strength(entries[known].kind, entries[known].untilMs) {
            (entries[known].kind, entries[known].untilMs) = (kind, untilMs)
        }
    }

    func find(_ value: UnsafeRawBufferPointer, dimension: UInt32) -> Entry? {
        guard !entries.isEmpty else { return nil }
        let index = slots[probe(value, dimension)]
        return index < 0 ? nil : entries[Int(index)]
    }

    private mutating func rehash(for expected: Int) {
        var capacity = 8
        while capacity < expected * 2 { capacity *= 2 }
        slots = Array(repeating: -1, count: capacity)
        mask = capacity - 1
        for (index, entry) in entries.enumerated() {
            let range = Int(entry.offset)..<Int(entry.offset) + Int(entry.count)
            let slot = bytes.withUnsafeBytes {
                probe(UnsafeRawBufferPointer(rebasing: $0[range]), entry.dimension)
            }
            slots[slot] = Int32(index)
        }
    }

    /// The slot that holds the value, or the free one where it would go.
    private func probe(_ value: UnsafeRawBufferPointer, _ dimension: UInt32) -> Int {
        var hasher = Hasher()
        hasher.combine(dimension)
        hasher.combine(bytes: value)
        var slot = hasher.finalize() & mask
        while true {
            let index = Int(slots[slot])
            if index < 0 { return slot }
            if entries[index].dimension == dimension, holds(value, entries[index]) { return slot }
            slot = (slot + 1) & mask
        }
    }

    private func holds(_ value: UnsafeRawBufferPointer, _ entry: Entry) -> Bool {
        guard Int(entry.count) == value.count else { return false }
        return bytes.withUnsafeBytes { all in
            let start = Int(entry.offset)
            for index in 0..<value.count where all[start + index] != value[index] { return false }
            return true
        }
    }
}
