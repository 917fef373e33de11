import NIOCore
import SluiceWire

/// The streams of one connection and who waits on each.
///
/// A stream is `sequence << 14 | slot + 1`: the slot finds its waiter without hashing, the sequence moves on whenever
/// the slot is taken again, so an answer that comes twice is not mistaken for the slot's next one. A slot is taken again
/// only after its answer came: whoever gives up waiting leaves the stream abandoned until then. Never 0, and wrapping
/// around after 2^18 uses of a slot is harmless because none of them is outstanding any more.
struct StreamTable<Waiter> {
    private static var slotBits: UInt32 { 14 }
    /// The most slots that the bits of a stream can name.
    static var largestCapacity: Int { (1 << 14) - 1 }

    private enum Occupant {
        case nobody
        case waiting(Waiter, deadline: NIODeadline)
        case abandoned
    }

    private struct Slot {
        var stream: UInt32
        var method: WireMethod
        var occupant: Occupant
    }

    /// What an answer meets.
    enum Found {
        case waiter(Waiter)
        /// Nobody waits for it any more.
        case abandoned
        /// Nothing was asked on this stream, or something else.
        case mismatch
    }

    private let capacity: Int
    private var slots: [Slot] = []
    /// Last freed, first taken: its cache lines are warm.
    private var free: [UInt32] = []
    /// Streams somebody waits on.
    private(set) var waiting = 0
    /// Streams whose answer may still come, though nobody waits for it.
    private(set) var abandoned = 0

    /// - Parameter capacity: streams at once; cut to 1 ... `largestCapacity`.
    init(capacity: Int) {
        self.capacity = min(max(capacity, 1), Self.largestCapacity)
    }

    var isFull: Bool { free.isEmpty && slots.count == capacity }

    /// Takes a stream; nil while all are taken.
    mutating func insert(_ waiter: Waiter, method: WireMethod, deadline: NIODeadline) -> UInt32? {
        let index: Int
        if let last = free.popLast() {
            index = Int(last)
            slots[index].stream &+= 1 << Self.slotBits
        } else if slots.count < capacity {
            index = slots.count
            slots.append(Slot(stream: UInt32(index + 1), method: method, occupant: .nobody))
        } else {
            return nil
        }
        slots[index].method = method
        slots[index].occupant = .waiting(waiter, deadline: deadline)
        waiting += 1
        return slots[index].stream
    }

    /// Ends a stream by its answer.
    mutating func remove(_ stream: UInt32, method: WireMethod) -> Found {
        let index = Int(stream & (1 << Self.slotBits - 1)) - 1
        guard index >= 0, index < slots.count, slots[index].stream == stream, slots[index].method == method else {
            return .mismatch
        }
        let occupant = slots[index].occupant
        switch occupant {
        case .nobody:
            return .mismatch
        case .waiting(let waiter, _):
            waiting -= 1
            release(index)
            return .waiter(waiter)
        case .abandoned:
            abandoned -= 1
            release(index)
            return .abandoned
        }
    }

    private mutating func release(_ index: Int) {
        slots[index].occupant = .nobody
        free.append(UInt32(index))
    }

    /// Abandons the streams whose deadline has come, and returns who waited on them.
    mutating func expire(now: NIODeadline) -> [Waiter] {
        abandon { _, deadline in deadline <= now }
    }

    /// Abandons the streams of the waiters that match, and returns those.
    mutating func abandon(where matches: (Waiter, NIODeadline) -> Bool) -> [Waiter] {
        var given: [Waiter] = []
        for index in slots.indices {
            guard case .waiting(let waiter, let deadline) = slots[index].occupant, matches(waiter, deadline) else {
                continue
            }
            slots[index].occupant = .abandoned
            given.append(waiter)
        }
        waiting -= given.count
        abandoned += given.count
        return given
    }

    /// The first deadline that somebody waits for. Looks at every slot.
    var earliestDeadline: NIODeadline? {
        var earliest: NIODeadline?
        for slot in slots {
            guard case .waiting(_, let deadline) = slot.occupant else { continue }
            earliest = min(earliest ?? deadline, deadline)
        }
        return earliest
    }
}
