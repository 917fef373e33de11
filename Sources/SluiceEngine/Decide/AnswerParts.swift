import NIOCore
import SluiceModel

/// The parts of a CheckResponse that depend only on the rule set, encoded once, and the encoder that uses them.
///
/// Field numbers are those of `sluice.proto`; proto3 omits what is zero.
struct AnswerParts: Sendable {
    private struct Part: Sendable {
        /// Of a Trip: rule, window_ms, max, verdict, shadow, limit.
        var trip: [UInt8]
        /// Of a Headroom: rule, window_ms, max, limit.
        var headroom: [UInt8]
    }

    private let parts: [[Part]]

    init(_ rules: RuleSet) {
        parts = rules.variants.map { variant in
            let rule = rules.rules[variant.rule]
            return variant.limits.map { limit in
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
                return Part(trip: Array(trip.readableBytesView), headroom: Array(headroom.readableBytesView))
            }
        }
    }

    /// Appends the CheckResponse.
    func write(_ answer: Answer, in rules: RuleSet, into buffer: inout ByteBuffer) {
        buffer.writeField(1, UInt64(answer.verdict.rawValue))
        if let listing = answer.listing { write(listing, verdict: answer.verdict, into: &buffer) }
        for trip in answer.trips {
            let part = parts[trip.variant][trip.limit].trip
            var count = part.count + ByteBuffer.fieldSize(trip.used) + (trip.isBlocked ? 2 : 0)
            if let retryAfterMs = trip.retryAfterMs { count += 1 + ByteBuffer.varintSize(retryAfterMs) }
            buffer.writeLengthPrefix(2, count)
            buffer.writeBytes(part)
            buffer.writeField(4, trip.used)
            if let retryAfterMs = trip.retryAfterMs { buffer.writePresentField(5, retryAfterMs) }
            if trip.isBlocked { buffer.writePresentField(8, Reason.blocked) }
        }
        buffer.writeField(3, UInt64(answer.basis.rawValue))
        if answer.verdict > .allow, let retryAfterMs = answer.retryAfterMs(in: rules) {
            buffer.writePresentField(4, retryAfterMs)
        }
        if let tightest = answer.tightest {
            let part = parts[tightest.variant][tightest.limit].headroom
            let count =
                part.count + ByteBuffer.fieldSize(tightest.remaining) + ByteBuffer.fieldSize(tightest.resetMs)
            buffer.writeLengthPrefix(5, count)
            buffer.writeBytes(part)
            buffer.writeField(4, tightest.remaining)
            buffer.writeField(5, tightest.resetMs)
        }
        buffer.writeField(6, rules.generation)
        if answer.isDuplicate { buffer.writePresentField(7, 1) }
    }

    private enum Reason {
        static let blocked: UInt64 = 1
        static let listed: UInt64 = 2
    }

    /// The trip that names the list and the dimension of the entity on it, never its value.
    private func write(_ listing: ListEffect, verdict: Verdict, into buffer: inout ByteBuffer) {
        let retryAfterMs = listing.kind == .allow ? nil : listing.leftMs
        let text = (listing.kind.name.utf8.count, listing.dimension.utf8.count)
        var count = ByteBuffer.fieldSize(UInt64(verdict.rawValue)) + 2 + 2 + text.0 + 1 + text.1
        if let retryAfterMs { count += 1 + ByteBuffer.varintSize(retryAfterMs) }
        buffer.writeLengthPrefix(2, count)
        if let retryAfterMs { buffer.writePresentField(5, retryAfterMs) }
        buffer.writeField(6, UInt64(verdict.rawValue))
        buffer.writePresentField(8, Reason.listed)
        buffer.writeLengthPrefix(9, text.0 + 1 + text.1)
        buffer.writeBytes(listing.kind.name.utf8)
        buffer.writeInteger(UInt8(ascii: " "))
        buffer.writeBytes(listing.dimension.utf8)
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
