import NIOCore
import SluiceModel

/// The parts of a CheckResponse that depend only on the rule set, encoded once, and the encoder that uses them.
///
/// Field numbers are those of `sluice.proto`; proto3 omits what is zero.
struct AnswerParts: Sendable {
    private struct Part: Sendable {
        /// Of a Trip: rule, window_ms, max, verdict, shadow, limit. In `bytes`.
        var trip: Range<Int>
        /// Of a Headroom: rule, window_ms, max, limit. In `bytes`.
        var headroom: Range<Int>
    }

    /// Bytes of a trip or headroom beside its part: its own tag and length, and four fields of a varint.
    private static let besidePart = 2 * 11 + 4 * 11
    /// Of an answer beside its trips and headroom: five fields of a varint, and the trip of a list, whose dimension has
    /// at most 32 bytes.
    private static let besideParts = 6 * 11 + 128

    private let parts: [Part]
    /// Per variant, its first limit in `parts`.
    private let firstPart: [Int]
    private let bytes: [UInt8]
    private let longestPart: Int

    init(_ rules: RuleSet) {
        var (parts, firstPart, bytes): ([Part], [Int], [UInt8]) = ([], [], [])
        for variant in rules.variants {
            let rule = rules.rules[variant.rule]
            firstPart.append(parts.count)
            for limit in variant.limits {
                var trip = ByteBuffer()
                var headroom = ByteBuffer()
                trip.writeField(1, bytes: rule.name.utf8)
                headroom.writeField(1, bytes: rule.name.utf8)
                trip.writeField(2, limit.windowMs)
                headroom.writeField(2, limit.windowMs)
                trip.writeField(3, limit.max)
                headroom.writeField(3, limit.max)
                trip.writeField(6, UInt64(limit.verdict.rawValue))
                trip.writeField(7, rule.shadow ? 1 : 0)
                trip.writeField(9, bytes: limit.text.utf8)
                headroom.writeField(6, bytes: limit.text.utf8)
                let start = bytes.count
                bytes += trip.readableBytesView
                let middle = bytes.count
                bytes += headroom.readableBytesView
                parts.append(Part(trip: start..<middle, headroom: middle..<bytes.count))
            }
        }
        longestPart = parts.reduce(0) { max($0, $1.trip.count, $1.headroom.count) }
        (self.parts, self.firstPart, self.bytes) = (parts, firstPart, bytes)
    }

    /// Bytes that `write` writes at most.
    func most(of answer: borrowing Answer) -> Int {
        Self.besideParts + (answer.trips.count + 1) * (longestPart + Self.besidePart)
    }

    /// Appends the CheckResponse.
    func write(_ answer: borrowing Answer, in rules: RuleSet, into message: inout ByteCursor) {
        message.write(field: 1, UInt64(answer.verdict.rawValue))
        if let listing = answer.listing { write(listing, verdict: answer.verdict, into: &message) }
        for trip in answer.trips {
            let part = parts[firstPart[trip.variant] + trip.limit].trip
            var count = part.count + ByteBuffer.fieldSize(trip.used) + (trip.isBlocked ? 2 : 0)
            if let retryAfterMs = trip.retryAfterMs { count += 1 + ByteBuffer.varintSize(retryAfterMs) }
            message.writeHead(2, count)
            write(part, into: &message)
            message.write(field: 4, trip.used)
            if let retryAfterMs = trip.retryAfterMs { message.write(presentField: 5, retryAfterMs) }
            if trip.isBlocked { message.write(presentField: 8, Reason.blocked) }
        }
        message.write(field: 3, UInt64(answer.basis.rawValue))
        if answer.verdict > .allow, let retryAfterMs = answer.retryAfterMs(in: rules) {
            message.write(presentField: 4, retryAfterMs)
        }
        if let tightest = answer.tightest {
            let part = parts[firstPart[tightest.variant] + tightest.limit].headroom
            let count =
                part.count + ByteBuffer.fieldSize(tightest.remaining) + ByteBuffer.fieldSize(tightest.resetMs)
            message.writeHead(5, count)
            write(part, into: &message)
            message.write(field: 4, tightest.remaining)
            message.write(field: 5, tightest.resetMs)
        }
        message.write(field: 6, rules.generation)
        if answer.isDuplicate { message.write(presentField: 7, 1) }
    }

    private func write(_ part: Range<Int>, into message: inout ByteCursor) {
        bytes.withUnsafeBytes { message.write(UnsafeRawBufferPointer(rebasing: $0[part])) }
    }

    private enum Reason {
        static let blocked: UInt64 = 1
        static let listed: UInt64 = 2
    }

    /// The trip that names the list and the dimension of the entity on it, never its value.
    private func write(_ listing: ListEffect, verdict: Verdict, into message: inout ByteCursor) {
        let retryAfterMs = listing.kind == .allow ? nil : listing.leftMs
        let (kind, dimension) = (listing.kind.name.utf8, listing.dimension.utf8)
        let textCount = kind.count + 1 + dimension.count
        var count = ByteBuffer.fieldSize(UInt64(verdict.rawValue)) + 2 + 2 + textCount
        if let retryAfterMs { count += 1 + ByteBuffer.varintSize(retryAfterMs) }
        message.writeHead(2, count)
        if let retryAfterMs { message.write(presentField: 5, retryAfterMs) }
        message.write(field: 6, UInt64(verdict.rawValue))
        message.write(presentField: 8, Reason.listed)
        message.writeHead(9, textCount)
        for byte in kind { message.write(byte: byte) }
        message.write(byte: UInt8(ascii: " "))
        for byte in dimension { message.write(byte: byte) }
    }
}

/// Protobuf's wire format, where room has been made; field numbers here are below 16, so a tag is one byte.
extension ByteCursor {
    /// A varint field, omitted when zero.
    @inline(__always)
    mutating func write(field number: UInt8, _ value: UInt64) {
        if value != 0 { write(presentField: number, value) }
    }

    /// A varint field that is there even when zero.
    @inline(__always)
    mutating func write(presentField number: UInt8, _ value: UInt64) {
        write(byte: number << 3)
        write(varint: value)
    }

    /// What stands before a string, bytes or a message of `count` bytes.
    @inline(__always)
    mutating func writeHead(_ number: UInt8, _ count: Int) {
        write(byte: number << 3 | 2)
        write(varint: UInt64(count))
    }
}

/// Protobuf's wire format; field numbers here are below 16, so a tag is one byte.
extension ByteBuffer {
    static func varintSize(_ value: UInt64) -> Int {
        max(1, (70 - value.leadingZeroBitCount) / 7)
    }

    /// Bytes that `writeField` appends.
    static func fieldSize(_ value: UInt64) -> Int {
        value == 0 ? 0 : 1 + varintSize(value)
    }

    mutating func writeVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            writeInteger(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        writeInteger(UInt8(rest))
    }

    /// A varint field, omitted when zero.
    mutating func writeField(_ number: UInt8, _ value: UInt64) {
        if value != 0 { writePresentField(number, value) }
    }

    /// A varint field that is there even when zero.
    mutating func writePresentField(_ number: UInt8, _ value: UInt64) {
        writeInteger(number << 3)
        writeVarint(value)
    }

    /// A string or bytes field, omitted when empty.
    mutating func writeField(_ number: UInt8, bytes: some Collection<UInt8>) {
        guard !bytes.isEmpty else { return }
        writeLengthPrefix(number, bytes.count)
        writeBytes(bytes)
    }

    mutating func writeLengthPrefix(_ number: UInt8, _ count: Int) {
        writeInteger(number << 3 | 2)
        writeVarint(UInt64(count))
    }
}
