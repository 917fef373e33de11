/// One direction of a proxied connection: what is on its way, and when it may arrive. No sockets, no clock of its own.
struct ProxyPipe {
    private struct Piece {
        var bytes: [UInt8]
        var dueMicros: Int64
        /// Both ends are reset once this has been written.
        var resets: Bool
    }

    /// Beyond this the sender waits.
    static let capacity = 4 << 20

    private var pieces: [Piece] = []
    private var lastDueMicros: Int64 = 0
    /// When the line is free again at its bandwidth.
    private var freeMicros: Int64 = 0
    private(set) var queued = 0
    /// From here on nothing arrives.
    var isDeaf = false

    var isEmpty: Bool { pieces.isEmpty }
    var hasRoom: Bool { queued < Self.capacity }

    mutating func push(
        _ bytes: [UInt8], now: Int64, _ faults: ProxyFaults, resets: Bool = false,
        _ random: inout SeededGenerator
    ) {
        guard !isDeaf, !bytes.isEmpty else { return }
        let jitter = faults.jitterMs > 0 ? Double.random(in: 0..<faults.jitterMs, using: &random) : 0
        var due = now + Int64((faults.delayMs + jitter) * 1_000)
        if faults.glueMs > 0 {
            // Joins what is held already, which is due at the latest that long after it came.
            due = pieces.last.map(\.dueMicros) ?? (due + Int64(faults.glueMs * 1_000))
        }
        lastDueMicros = max(lastDueMicros, due)
        pieces.append(Piece(bytes: bytes, dueMicros: lastDueMicros, resets: resets))
        queued += bytes.count
    }

    /// When there is something to write; nil: not before something changes.
    func nextMicros(_ faults: ProxyFaults) -> Int64? {
        guard !faults.isFrozen, let first = pieces.first else { return nil }
        return faults.bytesPerSecond == nil ? first.dueMicros : max(first.dueMicros, freeMicros)
    }

    /// What may be written now, in one write; empty: nothing.
    func ready(now: Int64, _ faults: ProxyFaults) -> (bytes: [UInt8], resets: Bool) {
        guard let next = nextMicros(faults), next <= now else { return ([], false) }
        var most = faults.largestWrite ?? .max
        // A hundredth of a second's worth at once.
        if let rate = faults.bytesPerSecond { most = min(most, max(1, rate / 100)) }
        var bytes: [UInt8] = []
        for piece in pieces {
            guard piece.dueMicros <= now, bytes.count < most else { break }
            bytes += piece.bytes.prefix(most - bytes.count)
            if piece.resets { return (bytes, bytes.count >= piece.bytes.count) }
        }
        return (bytes, false)
    }

    /// Takes off what was written.
    mutating func wrote(_ count: Int, now: Int64, _ faults: ProxyFaults) {
        queued -= count
        if let rate = faults.bytesPerSecond {
            freeMicros = max(freeMicros, now) + Int64(count) * 1_000_000 / Int64(max(1, rate))
        }
        var left = count
        var whole = 0
        for index in pieces.indices {
            guard left > 0 else { break }
            let length = pieces[index].bytes.count
            if left < length {
                pieces[index].bytes.removeFirst(left)
                left = 0
            } else {
                left -= length
                whole += 1
            }
        }
        pieces.removeFirst(whole)
    }
}
