import NIOCore

/// The eight bytes a client sends first: `SLUICE`, 0 and the protocol's version.
public enum Preface {
    public static let bytes: [UInt8] = [0x53, 0x4C, 0x55, 0x49, 0x43, 0x45, 0x00, 0x01]

    /// Bytes of the preface.
    @inlinable public static var size: Int { 8 }

    /// The preface as one big-endian integer, as it is compared and written.
    @inlinable public static var value: UInt64 { 0x534C_5549_4345_0001 }

    public static func write(into buffer: inout ByteBuffer) {
        buffer.writeInteger(value)
    }

    /// Takes the preface from the front of `buffer`.
    ///
    /// - Returns: false while there are fewer than eight bytes and those agree with it.
    /// - Throws: `FrameError.badPreface` at the first byte that differs, so that a stranger is not waited for.
    public static func read(from buffer: inout ByteBuffer) throws(FrameError) -> Bool {
        if let value: UInt64 = buffer.getInteger(at: buffer.readerIndex) {
            guard value == Self.value else { throw .badPreface }
            buffer.moveReaderIndex(forwardBy: size)
            return true
        }
        guard bytes.starts(with: buffer.readableBytesView) else { throw .badPreface }
        return false
    }
}
