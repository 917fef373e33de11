import TestSupport

/// One run of the decide script as Redis executed it: when, what was asked, and the verdicts. Reads what the load of
/// `RandomFaultTests` can bring about: checks by one rule of one limit, with an event id or without.
struct LoggedRun {
    struct Item: Equatable {
        /// The hash of the entity.
        var key: String
        var cost: UInt64
        /// Key of the event; empty: none.
        var event: String
        /// 0 allow, 3 deny.
        var verdict: Int
        /// A repeat of an event that had been decided.
        var isRepeat: Bool
    }

    struct Unreadable: Error, CustomStringConvertible {
        let description: String
    }

    let nowMs: UInt64
    let items: [Item]

    /// - Parameters:
    ///   - keys: KEYS of the run.
    ///   - numbers: ARGV[1].
    ///   - words: ARGV[2].
    ///   - reply: flat, of integers.
    init(keys: [[UInt8]], numbers: [UInt8], words: [UInt8], reply: [Int]) throws {
        var reply = reply[...]
        func taken() throws -> Int {
            guard let first = reply.popFirst() else { throw Unreadable(description: "a reply that ends early") }
            return first
        }
        nowMs = UInt64(try taken())
        _ = try taken()
        let sizes = try (0..<4).map { try Self.integer(numbers, at: $0 * 7, bytes: 7) }
        var words = try WordReader(words)
        // The cell of each group's key; every key has one counter here.
        var keyOfCell: [Int] = []
        for _ in 0..<sizes[1] {
            let key = try words.next()
            for _ in 0..<(try words.next()) {
                _ = try words.next()
                keyOfCell.append(key)
            }
        }
        var items: [Item] = []
        for _ in 0..<sizes[2] {
            let asked = try Self.request(&words)
            let code = try taken()
            let event = asked.event > 0 ? keys[keys.count - sizes[3] + asked.event - 1] : []
            guard asked.cell > 0, asked.cell <= keyOfCell.count, keyOfCell[asked.cell - 1] <= keys.count else {
                throw Unreadable(description: "a cell that there is not")
            }
            let key = String(decoding: keys[keyOfCell[asked.cell - 1] - 1], as: UTF8.self)
            let isRepeat = code >= 1_048_576
            if isRepeat {
                _ = try taken()
            } else {
                if code / 1_024 > 0 { for _ in 0..<2 { _ = try taken() } }
                for _ in 0..<(code / 4 % 256 * 3) { _ = try taken() }
            }
            items.append(
                Item(
                    key: key, cost: asked.cost, event: String(decoding: event, as: UTF8.self), verdict: code % 4,
                    isRepeat: isRepeat))
        }
        self.items = items
    }

    private static func request(_ words: inout WordReader) throws -> (cost: UInt64, event: Int, cell: Int) {
        let op = try words.next()
        let cost = UInt64(try words.next()) << 16 + UInt64(try words.next())
        var event = 0
        if op >= 128 {
            guard op == 128, try words.next() == 1 else { throw Unreadable(description: "op \(op)") }
            _ = try words.next()
        } else {
            guard op & ~16 == 0 else { throw Unreadable(description: "op \(op)") }
            if op & 16 != 0 { event = try words.next() }
            guard try words.next() == 1 else { throw Unreadable(description: "several uses") }
            _ = try words.next()
            _ = try words.next()
        }
        return (cost, event, try words.next())
    }

    private static func integer(_ bytes: [UInt8], at start: Int, bytes count: Int) throws -> Int {
        guard bytes.count >= start + count else { throw Unreadable(description: "numbers that end early") }
        return bytes[start..<(start + count)].reduce(0) { $0 << 8 | Int($1) }
    }

    /// 16-bit words, big-endian.
    private struct WordReader {
        private let bytes: [UInt8]
        private var place = 0

        init(_ bytes: [UInt8]) throws {
            guard bytes.count.isMultiple(of: 2) else { throw Unreadable(description: "half a word") }
            self.bytes = bytes
        }

        mutating func next() throws -> Int {
            guard place + 1 < bytes.count else { throw Unreadable(description: "words that end early") }
            defer { place += 2 }
            return Int(bytes[place]) << 8 | Int(bytes[place + 1])
        }
    }
}
