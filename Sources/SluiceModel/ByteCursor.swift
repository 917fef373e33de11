/// Where the next byte goes. Whoever makes one has made the room.
@frozen
public struct ByteCursor {
    public var place: UnsafeMutableRawPointer

    @inlinable
    public init(_ place: UnsafeMutableRawPointer) {
        self.place = place
    }

    @inlinable
    public func written(since start: UnsafeMutableRawPointer) -> Int { place - start }

    @inlinable
    public mutating func write(byte: UInt8) {
        place.storeBytes(of: byte, as: UInt8.self)
        place += 1
    }

    /// An integer, big-endian.
    @inlinable
    public mutating func write<Integer: FixedWidthInteger & BitwiseCopyable>(_ integer: Integer) {
        place.storeBytes(of: integer.bigEndian, as: Integer.self)
        place += MemoryLayout<Integer>.size
    }

    /// The low `16 * count` bits of `value` as big-endian words.
    @inlinable
    public mutating func write(_ value: UInt64, words count: Int) {
        for index in (0..<count).reversed() { write(UInt16(truncatingIfNeeded: value >> (16 * UInt64(index)))) }
    }

    /// A number below 2^56 in seven bytes, big-endian.
    @inlinable
    public mutating func write(number: UInt64) {
        write(UInt8(truncatingIfNeeded: number >> 48))
        write(UInt16(truncatingIfNeeded: number >> 32))
        write(UInt32(truncatingIfNeeded: number))
    }

    @inlinable
    public mutating func write(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        place.copyMemory(from: base, byteCount: bytes.count)
        place += bytes.count
    }

    @inlinable
    public mutating func write(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { write($0) }
    }

    @inlinable
    public mutating func write(_ text: StaticString) {
        write(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Steps over what somebody else wrote here.
    @inlinable
    public mutating func skip(_ count: Int) { place += count }

    /// A varint of protobuf: at most ten bytes.
    @inlinable
    public mutating func write(varint value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            write(byte: UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        write(byte: UInt8(truncatingIfNeeded: rest))
    }

    /// A non-negative number in decimal digits: at most twenty.
    @inlinable
    public mutating func write(decimal number: Int) {
        precondition(number >= 0)
        let digits = Self.digits(of: number)
        var rest = number
        for digit in (0..<digits).reversed() {
            (place + digit).storeBytes(of: UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10), as: UInt8.self)
            rest /= 10
        }
        place += digits
    }

    @inlinable
    public static func digits(of number: Int) -> Int {
        var (digits, rest) = (1, number)
        while rest >= 10 {
            digits += 1
            rest /= 10
        }
        return digits
    }

    /// The head of a RESP bulk string of `count` bytes: at most 23.
    @inlinable
    public mutating func writeBulkHead(_ count: Int) {
        write(byte: UInt8(ascii: "$"))
        if 10...99 ~= count {
            let tens = UInt8(truncatingIfNeeded: count) / 10
            write(byte: UInt8(ascii: "0") + tens)
            write(byte: UInt8(ascii: "0") + UInt8(truncatingIfNeeded: count) - 10 * tens)
        } else {
            write(decimal: count)
        }
        writeLineEnd()
    }

    @inlinable
    public mutating func writeLineEnd() { write(0x0D0A as UInt16) }
}
