import NIOCore
import SwiftProtobuf

extension ByteBuffer {
    /// Appends a frame. The header's length is set to that of `payload`, which must be at most `UInt32.max` bytes.
    public mutating func writeFrame(_ header: FrameHeader, payload: some Collection<UInt8>) {
        var header = header
        header.length = UInt32(payload.count)
        reserveCapacity(minimumWritableBytes: FrameHeader.size + payload.count)
        header.write(into: &self)
        writeBytes(payload)
    }

    /// Appends a frame around `message`. Allocates once, for the encoded message.
    ///
    /// - Throws: what the encoding throws: a message over 2 GiB.
    public mutating func writeFrame(_ header: FrameHeader, message: some SwiftProtobuf.Message) throws {
        let payload: [UInt8] = try message.serializedBytes()
        writeFrame(header, payload: payload)
    }
}

extension SwiftProtobuf.Message {
    /// Decodes all readable bytes of a payload, in place.
    ///
    /// - Throws: `BinaryDecodingError` for a payload that is not this message.
    public init(payload: ByteBuffer) throws {
        try self.init(serializedBytes: payload.readableBytesSpan)
    }
}
