/// What Redis keeps of one user, told so that two sequences of operations that lead to the same are seen to: each time
/// is counted from now. Only what can make no difference is left out: where a cell's offsets begin, and which number a
/// life has.
struct SmallScopeState: Hashable {
    private var words: [Int] = []

    /// - Parameters:
    ///   - fields: of the user's hash.
    ///   - events: the value of each event's key, in the order of the scope; nil where there is none.
    ///   - longestTickMs: of any of its counters.
    init(fields: [(name: [UInt8], cell: [UInt8])], events: [[UInt8]?], atMs now: UInt64, longestTickMs: UInt64) {
        words.append(Int(now % longestTickMs))
        var lives: [[UInt8]: [UInt8]] = [:]
        for (name, cell) in fields.sorted(by: { $0.name.lexicographicallyPrecedes($1.name) }) {
            words += name.map(Int.init)
            lives[name] = add(cell: cell, now: Int(now))
        }
        for event in events { add(event: event, lives: lives, now: Int(now)) }
    }

    /// - Returns: the bytes of its life.
    private mutating func add(cell: [UInt8], now: Int) -> [UInt8] {
        var bytes = Bytes(cell)
        let (version, flags, widths, print) = (bytes.number(1), bytes.number(1), bytes.number(1), bytes.number(2))
        words += [-1, version, flags, widths, print]
        let life = flags & 16 != 0 ? bytes.take(2) : []
        if flags & 8 != 0 {
            for _ in 0..<bytes.number(1) {
                words += [bytes.number(1), bytes.number(1), bytes.number(6) - now, bytes.number(5)]
            }
        }
        guard widths > 0 else { return life }
        if flags & 3 == 2 {
            words.append(bytes.number(2))
            let base = bytes.number(6)
            while !bytes.isEmpty {
                words += bytes.take(16).map(Int.init)
                let seen = bytes.number(widths >> 4)
                words += [base + seen / 2 - now, seen % 2]
            }
        } else {
            let tickMs = flags & 4 != 0 ? bytes.number(5) : 1
            let base = bytes.number(6)
            words += [tickMs, bytes.number((widths & 15) + 1)]
            while !bytes.isEmpty {
                words += [(base + bytes.number(widths >> 4)) * tickMs - now, bytes.number(widths & 15)]
            }
        }
        return life
    }

    private mutating func add(event: [UInt8]?, lives: [[UInt8]: [UInt8]], now: Int) {
        guard let event else { return words.append(-2) }
        var bytes = Bytes(event)
        words += [-3, bytes.number(1), bytes.number(1), bytes.number(1), bytes.number(7)]
        words += [bytes.number(6) - now, bytes.number(6) - now]
        while !bytes.isEmpty {
            _ = bytes.take(bytes.number(2))
            let field = bytes.take(bytes.number(1))
            let measure = bytes.number(1)
            words += field.map(Int.init) + [measure, bytes.number(6) - now, bytes.number(7)]
            words.append(lives[field] == bytes.take(2) ? 1 : 0)
            if measure == 2 { words += bytes.take(16).map(Int.init) }
        }
    }

    private struct Bytes {
        private var rest: ArraySlice<UInt8>

        init(_ bytes: [UInt8]) { rest = bytes[...] }

        var isEmpty: Bool { rest.isEmpty }

        mutating func take(_ count: Int) -> [UInt8] {
            defer { rest = rest.dropFirst(count) }
            return Array(rest.prefix(count))
        }

        /// Big-endian.
        mutating func number(_ width: Int) -> Int { take(width).reduce(0) { $0 << 8 | Int($1) } }
    }
}
