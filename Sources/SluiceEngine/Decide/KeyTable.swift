import SluiceModel

/// The distinct keys of one run, found by their bytes, in the form in which they are sent. Emptied in constant time and
/// reused.
struct KeyTable: ~Copyable {
    private struct Slot {
        /// The filling of the table this slot belongs to; any other: free.
        var filling: UInt32
        var key: Int32
    }

    private struct Key {
        var offset: Int32
        var count: Int32
        var hash: UInt64
    }

    /// Around a key as RESP: `$`, its length, and two line ends.
    static let overhead = 24
    /// The head of a bulk string of two digits, as nearly every key has.
    private static let usualHead = 5

    private var slots: [Slot]
    private var filling: UInt32 = 1
    /// Every key as a RESP bulk string, in the order they came.
    private var resp = RawBytes()
    private var keys: [Key] = []
    /// Callers choose what their keys hash by, and must not choose where they go.
    private let hash = ByteHash(seed: .random(in: .min ... .max))

    init() {
        slots = Array(repeating: Slot(filling: 0, key: 0), count: 512)
    }

    var count: Int { keys.count }

    /// All keys as bulk strings.
    var bulkStrings: UnsafeRawBufferPointer { resp.bytes }

    /// Good until the next key comes.
    func key(_ number: Int) -> UnsafeRawBufferPointer {
        let key = keys[number]
        return UnsafeRawBufferPointer(rebasing: resp.bytes[Int(key.offset)..<Int(key.offset + key.count)])
    }

    mutating func removeAll() {
        resp.removeAll()
        keys.removeAll(keepingCapacity: true)
        if filling == .max {
            for index in slots.indices { slots[index].filling = 0 }
            filling = 0
        }
        filling += 1
    }

    /// The number of the key that `write` writes, from 0, and whether it is new.
    ///
    /// It is written where it is to stay, and taken away again if it is there already.
    ///
    /// - Parameter most: bytes of the key at most.
    mutating func insert(atMost most: Int, _ write: (inout ByteCursor) -> Void) -> (number: Int, isNew: Bool) {
        if keys.count * 2 >= slots.count { grow() }
        let start = resp.count
        var offset = start + Self.usualHead
        resp.append(atMost: most + Self.overhead) { cursor in
            let head = cursor.place
            cursor.skip(Self.usualHead)
            let body = cursor.place
            write(&cursor)
            let count = cursor.written(since: body)
            let headCount = 3 + ByteCursor.digits(of: count)
            if headCount != Self.usualHead {
                (head + headCount).copyMemory(from: body, byteCount: count)
                cursor.skip(headCount - Self.usualHead)
                offset = start + headCount
            }
            var front = ByteCursor(head)
            front.writeBulkHead(count)
            cursor.writeLineEnd()
        }
        let key = UnsafeRawBufferPointer(rebasing: resp.bytes[offset..<resp.count - 2])
        let hash = hash(key)
        let index = probe(key, hash)
        if slots[index].filling == filling {
            resp.truncate(to: start)
            return (Int(slots[index].key), false)
        }
        slots[index] = Slot(filling: filling, key: Int32(keys.count))
        keys.append(Key(offset: Int32(offset), count: Int32(key.count), hash: hash))
        return (keys.count - 1, true)
    }

    private func probe(_ key: UnsafeRawBufferPointer, _ hash: UInt64) -> Int {
        let mask = slots.count - 1
        var index = Int(truncatingIfNeeded: hash) & mask
        while slots[index].filling == filling {
            if holds(key, hash, at: Int(slots[index].key)) { return index }
            index = (index + 1) & mask
        }
        return index
    }

    private func holds(_ key: UnsafeRawBufferPointer, _ hash: UInt64, at number: Int) -> Bool {
        let known = keys[number]
        guard known.hash == hash, Int(known.count) == key.count else { return false }
        return self.key(number).elementsEqual(key)
    }

    private mutating func grow() {
        slots = Array(repeating: Slot(filling: 0, key: 0), count: slots.count * 2)
        filling = 1
        for number in keys.indices {
            var index = Int(truncatingIfNeeded: keys[number].hash) & (slots.count - 1)
            while slots[index].filling == filling { index = (index + 1) & (slots.count - 1) }
            slots[index] = Slot(filling: filling, key: Int32(number))
        }
    }
}
