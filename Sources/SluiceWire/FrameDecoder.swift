import NIOCore

/// One frame: its header and a slice of the bytes it came in.
public struct Frame: Hashable, Sendable {
    public var header: FrameHeader
    public var payload: ByteBuffer

    public init(header: FrameHeader, payload: ByteBuffer) {
        self.header = header
        self.payload = payload
    }
}

/// Cuts a stream of bytes into frames, however they are split on their way.
///
/// Holds at most one incomplete frame beside what was last appended: a header is judged as soon as it is complete,
/// before any of its payload is waited for. Payloads are slices, so decoding a frame copies nothing.
public struct FrameDecoder: Sendable {
    private enum State: Sendable {
        /// From a client, until its first eight bytes are complete. On to `header`.
        case preface
        /// Between frames. On to `payload` when 16 bytes are complete.
        case header
        /// A header was accepted and its payload is incomplete. Back to `header` with the frame.
        case payload(FrameHeader)
        /// What came cannot be a frame, and nothing behind it can be told apart. Final.
        case failed(FrameError)
    }

    private let sender: FrameSender
    private let maxPayload: UInt32
    private var state: State
    private var buffer = ByteBuffer()

    /// - Parameters:
    ///   - sender: the end whose bytes are decoded; a client's begin with the preface.
    ///   - maxPayload: the longest payload taken, in bytes.
    public init(receivingFrom sender: FrameSender, maxPayload: UInt32) {
        self.sender = sender
        self.maxPayload = maxPayload
        self.state = sender == .client ? .preface : .header
    }

    /// Takes bytes as they arrived. Keeps them without a copy if nothing was left over.
    public mutating func append(_ bytes: ByteBuffer) {
        if buffer.readableBytes == 0 {
            buffer = bytes
        } else {
            buffer.discardReadBytes()
            buffer.writeImmutableBuffer(bytes)
        }
    }

    /// The next frame, or nil until more bytes are appended. After an error, always that error.
    public mutating func next() throws(FrameError) -> Frame? {
        do {
            return try decode()
        } catch {
            state = .failed(error)
            buffer = ByteBuffer()
            throw error
        }
    }

    private mutating func decode() throws(FrameError) -> Frame? {
        while true {
            switch state {
            case .preface:
                guard try Preface.read(from: &buffer) else { return nil }
                state = .header
            case .header:
                guard let header = try FrameHeader(reading: buffer) else { return nil }
                try header.validate(from: sender, maxPayload: maxPayload)
                buffer.moveReaderIndex(forwardBy: FrameHeader.size)
                state = .payload(header)
            case .payload(let header):
                guard let payload = buffer.readSlice(length: Int(header.length)) else { return nil }
                state = .header
                return Frame(header: header, payload: payload)
            case .failed(let error):
                throw error
            }
        }
    }
}
