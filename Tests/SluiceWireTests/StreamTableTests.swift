import NIOCore
import SluiceWire
import Testing

@testable import SluiceClient

struct StreamTableTests {
    private let soon = NIODeadline.uptimeNanoseconds(100)
    private let later = NIODeadline.uptimeNanoseconds(200)

    @Test
    func `Streams in flight are unique and never 0`() {
        var table = StreamTable<Int>(capacity: 1_000)
        var streams: Set<UInt32> = []
        for waiter in 0..<1_000 {
            streams.insert(table.insert(waiter, method: .check, deadline: soon)!)
        }
        #expect(streams.count == 1_000)
        #expect(!streams.contains(0))
        #expect(table.isFull)
        #expect(table.insert(1_000, method: .check, deadline: soon) == nil)
    }

    @Test
    func `An answer finds its waiter whatever the order`() {
        var table = StreamTable<Int>(capacity: 100)
        let streams = (0..<100).map { table.insert($0, method: .check, deadline: soon)! }
        for waiter in (0..<100).shuffled() {
            #expect(table.remove(streams[waiter], method: .check).waiter == waiter)
        }
        #expect(table.waiting == 0)
    }

    @Test
    func `An answer that comes twice, or to another method, is a mismatch`() {
        var table = StreamTable<Int>(capacity: 1)
        let first = table.insert(1, method: .check, deadline: soon)!
        #expect(table.remove(first, method: .undo).isMismatch)
        #expect(table.remove(first, method: .check).waiter == 1)
        #expect(table.remove(first, method: .check).isMismatch)
        let second = table.insert(2, method: .check, deadline: soon)!
        #expect(table.remove(first, method: .check).isMismatch)
        #expect(table.remove(second, method: .check).waiter == 2)
        #expect(table.remove(0, method: .check).isMismatch)
        #expect(table.remove(.max, method: .check).isMismatch)
    }

    @Test
    func `A stream given up is not used again before its answer came`() {
        var table = StreamTable<Int>(capacity: 2)
        let early = table.insert(1, method: .check, deadline: soon)!
        let late = table.insert(2, method: .check, deadline: later)!
        #expect(table.expire(now: soon) == [1])
        #expect(table.earliestDeadline == later)
        #expect(table.insert(3, method: .check, deadline: later) == nil)
        #expect(table.remove(early, method: .check).isAbandoned)
        let next = table.insert(3, method: .check, deadline: later)!
        #expect(next != early && next != late)
        #expect(table.abandoned == 0)
        #expect(table.waiting == 2)
    }

    @Test
    func `Streams wrap around without becoming 0 or confused`() {
        var table = StreamTable<Int>(capacity: 1)
        var seen: Set<UInt32> = []
        for waiter in 0..<(1 << 18) {
            let stream = table.insert(waiter, method: .check, deadline: soon)!
            guard stream != 0, table.remove(stream, method: .check).waiter == waiter else {
                Issue.record("use \(waiter) of the slot")
                return
            }
            seen.insert(stream)
        }
        #expect(seen.count == 1 << 18)
        #expect(table.insert(-1, method: .check, deadline: soon) == 1)
    }

    @Test
    func `No capacity is beyond what a stream can name, or below one`() {
        var table = StreamTable<Int>(capacity: 1 << 20)
        while table.insert(0, method: .check, deadline: soon) != nil {}
        #expect(table.waiting == 16_383)
        var least = StreamTable<Int>(capacity: 0)
        #expect(least.insert(0, method: .check, deadline: soon) == 1)
    }
}

extension StreamTable.Found {
    fileprivate var waiter: Waiter? {
        switch self {
        case .waiter(let waiter): waiter
        case .abandoned, .mismatch: nil
        }
    }

    fileprivate var isAbandoned: Bool {
        switch self {
        case .abandoned: true
        case .waiter, .mismatch: false
        }
    }

    fileprivate var isMismatch: Bool {
        switch self {
        case .mismatch: true
        case .waiter, .abandoned: false
        }
    }
}
