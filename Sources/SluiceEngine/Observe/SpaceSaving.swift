/// The values that come up most in a stream, in bounded memory: the Space-Saving algorithm (Metwally, Agrawal,
/// El Abbadi, "Efficient Computation of Frequent and Top-k Elements in Data Streams", 2005).
///
/// A count is never below the truth, and above it by at most its error. A value that makes up more than one
/// `capacity`-th of the stream is always there.
struct SpaceSaving: Sendable {
    struct Entry: Sendable {
        var value: [UInt8]
        var count: UInt64
        /// How much of `count` may be another value's.
        var error: UInt64
    }

    /// Hashed as a whole: an array of bytes hashes each by itself.
    private struct Key: Hashable, Sendable {
        var bytes: [UInt8]

        func hash(into hasher: inout Hasher) {
            bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
        }
    }

    let capacity: Int
    private(set) var entries: [Entry] = []
    private var places: [Key: Int] = [:]
    /// Entries before this one are above `least`.
    private var hand = 0
    /// The least count when the hand last set out. Counts only grow, so whoever still has it is one of the least.
    private var least: UInt64 = 0

    init(capacity: Int) {
        precondition(capacity > 0)
        self.capacity = capacity
    }

    /// What a value that is not there may have come up at most.
    var floor: UInt64 {
        entries.count < capacity ? 0 : entries.lazy.map(\.count).min() ?? 0
    }

    mutating func add(_ value: [UInt8], weight: UInt64) {
        let key = Key(bytes: value)
        if let place = places[key] {
            entries[place].count &+= weight
        } else if entries.count < capacity {
            places[key] = entries.count
            entries.append(Entry(value: value, count: weight, error: 0))
        } else {
            // The least of all makes room, and leaves its count: it may have been this one's.
            let place = placeOfLeast()
            places[Key(bytes: entries[place].value)] = nil
            places[key] = place
            let count = entries[place].count
            entries[place] = Entry(value: value, count: count &+ weight, error: count)
        }
    }

    /// Goes around once for all that have the least count, and looks for the next one only then.
    private mutating func placeOfLeast() -> Int {
        while true {
            while hand < entries.count {
                if entries[hand].count <= least { return hand }
                hand += 1
            }
            (hand, least) = (0, floor)
        }
    }

    /// The largest of several sketches together, each bound by what the others may have missed of it.
    static func merged(_ sketches: [SpaceSaving], atMost count: Int) -> [Entry] {
        let floors = sketches.map(\.floor)
        let floor = floors.reduce(0, &+)
        var all: [[UInt8]: Entry] = [:]
        for (sketch, own) in zip(sketches, floors) {
            for entry in sketch.entries {
                // Counted as missed by every sketch first; each that has it takes its own share of that back.
                var sum = all[entry.value] ?? Entry(value: entry.value, count: floor, error: floor)
                sum.count = sum.count &- own &+ entry.count
                sum.error = sum.error &- own &+ entry.error
                all[entry.value] = sum
            }
        }
        return Array(
            all.values.sorted {
                $0.count != $1.count ? $0.count > $1.count : $0.value.lexicographicallyPrecedes($1.value)
            }.prefix(count))
    }
}
