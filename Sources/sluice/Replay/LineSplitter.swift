/// Cuts a stream of bytes into lines, holding no more than one of them, and never one that is too long.
struct LineSplitter {
    static let longestLine = 1 << 20

    enum Line: Equatable {
        /// Without its line feed.
        case whole([UInt8])
        /// More than `longestLine` bytes, which were dropped as they came.
        case tooLong
    }

    private var partial: [UInt8] = []
    private var isTooLong = false

    /// Takes the next bytes and hands out every line that is complete, in order.
    mutating func append<Problem: Error>(
        _ bytes: some Collection<UInt8>, each: (Line) throws(Problem) -> Void
    ) throws(Problem) {
        var rest = bytes[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            take(rest[..<end])
            rest = rest[rest.index(after: end)...]
            try each(next())
        }
        take(rest)
    }

    /// The line that the stream ends in without a line feed, or nil.
    mutating func finish() -> Line? {
        partial.isEmpty && !isTooLong ? nil : next()
    }

    private mutating func take(_ bytes: some Collection<UInt8>) {
        guard !isTooLong else { return }
        if partial.count + bytes.count > Self.longestLine {
            isTooLong = true
            partial = []
        } else {
            partial.append(contentsOf: bytes)
        }
    }

    private mutating func next() -> Line {
        defer {
            partial = []
            isTooLong = false
        }
        return isTooLong ? .tooLong : .whole(partial)
    }
}
