import SluiceModel

/// Bytes that are appended and kept from run to run. Room is asked for once for each piece; what follows is plain
/// stores.
///
/// A `ByteBuffer` asks with every integer whether its storage is shared and whether anybody else is at it: some 250
/// instructions, and one request in a run is fifty integers.
struct RawBytes: ~Copyable {
    /// Owned; freed with this value.
    private var start: UnsafeMutableRawPointer
    private(set) var count = 0
    private var capacity: Int

    init(capacity: Int = 1_024) {
        start = .allocate(byteCount: capacity, alignment: 8)
        self.capacity = capacity
    }

    deinit {
        start.deallocate()
    }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }

    mutating func removeAll() { count = 0 }

    /// Forgets what lies behind the first `count` bytes.
    mutating func truncate(to count: Int) {
        precondition(count <= self.count)
        self.count = count
    }

    /// Appends what `body` writes, which is at most `most` bytes.
    @inline(__always)
    mutating func append(atMost most: Int, _ body: (inout ByteCursor) -> Void) {
        var cursor = begin(atMost: most)
        body(&cursor)
        end(at: cursor)
    }

    /// The same in two steps: where at most `most` bytes may be written, until `end(at:)`.
    @inline(__always)
    mutating func begin(atMost most: Int) -> ByteCursor {
        if capacity - count < most { grow(by: most) }
        return ByteCursor(start + count)
    }

    @inline(__always)
    mutating func end(at cursor: ByteCursor) {
        let end = cursor.written(since: start)
        precondition(count <= end && end <= capacity)
        count = end
    }

    mutating func set(_ word: UInt16, at offset: Int) {
        precondition(offset + 2 <= count)
        (start + offset).storeBytes(of: word.bigEndian, as: UInt16.self)
    }

    private mutating func grow(by more: Int) {
        capacity = max(capacity * 2, count + more)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 8)
        larger.copyMemory(from: start, byteCount: count)
        start.deallocate()
        start = larger
    }
}
