import NIOCore

/// The 16 bytes before every payload, all integers big-endian:
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 4 | length |
/// | 4 | 1 | kind |
/// | 5 | 1 | method |
/// | 6 | 1 | status |
/// | 7 | 1 | flags |
/// | 8 | 4 | stream |
/// | 12 | 4 | micros |
@frozen
public struct FrameHeader: Hashable, Sendable {
    /// Bytes of the payload.
    public var length: UInt32
    public var kind: FrameKind
    /// Of a request and its response; else `.none`.
    public var method: WireMethod
    /// Of a response; else `.ok`.
    public var status: WireStatus
    public var flags: UInt8
    /// Chosen by the client, unique among its requests in flight, and echoed; 0 is the connection itself.
    public var stream: UInt32
    /// Of a request: what remains of its deadline in µs, 0 for the server's default. Of a response: µs in the server.
    public var micros: UInt32

    /// Bytes of a header.
    @inlinable public static var size: Int { 16 }

    @inlinable
    public init(
        length: UInt32 = 0,
        kind: FrameKind,
        method: WireMethod = .none,
        status: WireStatus = .ok,
        flags: UInt8 = 0,
        stream: UInt32 = 0,
        micros: UInt32 = 0
    ) {
        self.length = length
        self.kind = kind
        self.method = method
        self.status = status
        self.flags = flags
        self.stream = stream
        self.micros = micros
    }

    /// Reads 16 bytes, at any alignment. Only the kind is judged; see `validate(from:maxPayload:)` for the rest.
    @inlinable
    public init(reading bytes: UnsafeRawPointer) throws(FrameError) {
        let kindByte = bytes.load(fromByteOffset: 4, as: UInt8.self)
        guard let kind = FrameKind(rawValue: kindByte) else { throw .unknownKind(kindByte) }
        self.init(
            length: UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self)),
            kind: kind,
            method: WireMethod(rawValue: bytes.load(fromByteOffset: 5, as: UInt8.self)),
            status: WireStatus(rawValue: bytes.load(fromByteOffset: 6, as: UInt8.self)),
            flags: bytes.load(fromByteOffset: 7, as: UInt8.self),
            stream: UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self)),
            micros: UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 12, as: UInt32.self))
        )
    }

    /// Reads the first 16 readable bytes without consuming them; nil while there are fewer.
    @inlinable
    public init?(reading buffer: ByteBuffer) throws(FrameError) {
        guard buffer.readableBytes >= Self.size else { return nil }
        let header = buffer.withUnsafeReadableBytes { bytes in
            Result { () throws(FrameError) in try FrameHeader(reading: bytes.baseAddress!) }
        }
        self = try header.get()
    }

    /// Appends the 16 bytes.
    @inlinable
    public func write(into buffer: inout ByteBuffer) {
        buffer.writeMultipleIntegers(length, kind.rawValue, method.rawValue, status.rawValue, flags, stream, micros)
    }

    /// Writes the 16 bytes, at any alignment.
    @inlinable
    public func write(to bytes: UnsafeMutableRawPointer) {
        bytes.storeBytes(of: length.bigEndian, as: UInt32.self)
        bytes.storeBytes(of: kind.rawValue, toByteOffset: 4, as: UInt8.self)
        bytes.storeBytes(of: method.rawValue, toByteOffset: 5, as: UInt8.self)
        bytes.storeBytes(of: status.rawValue, toByteOffset: 6, as: UInt8.self)
        bytes.storeBytes(of: flags, toByteOffset: 7, as: UInt8.self)
        bytes.storeBytes(of: stream.bigEndian, toByteOffset: 8, as: UInt32.self)
        bytes.storeBytes(of: micros.bigEndian, toByteOffset: 12, as: UInt32.self)
    }

    /// Judges a header on its own, before any of its payload is looked at or waited for.
    ///
    /// - Parameters:
    ///   - sender: the end that sent it.
    ///   - maxPayload: the longest payload the receiver takes, in bytes.
    @inlinable
    public func validate(from sender: FrameSender, maxPayload: UInt32) throws(FrameError) {
        guard length <= maxPayload else { throw .oversize(length: length, limit: maxPayload) }
        guard flags == 0 else { throw .badFlags(flags) }
        switch kind {
        case .request:
            guard sender == .client else { throw .unexpectedKind(kind) }
            guard status == .ok else { throw .reservedNotZero(kind) }
            guard stream != 0 else { throw .badStream(kind) }
        case .response:
            guard sender == .server else { throw .unexpectedKind(kind) }
        case .ping, .pong:
            try validateConnectionFrame()
            guard length == 8 else { throw .badLength(kind) }
        case .goAway, .hello:
            guard sender == .server else { throw .unexpectedKind(kind) }
            try validateConnectionFrame()
        }
    }

    @inlinable
    func validateConnectionFrame() throws(FrameError) {
        guard method == .none, status == .ok else { throw .reservedNotZero(kind) }
        guard stream == 0 else { throw .badStream(kind) }
    }
}
