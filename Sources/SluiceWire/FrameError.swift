/// What makes a frame malformed. The connection it came over cannot go on.
public enum FrameError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The connection did not begin with the eight bytes of the preface.
    case badPreface
    /// The payload would be longer than the receiver takes, both in bytes.
    case oversize(length: UInt32, limit: UInt32)
    case unknownKind(UInt8)
    /// A kind that this end never receives.
    case unexpectedKind(FrameKind)
    /// Flags that no announced feature defines.
    case badFlags(UInt8)
    /// A request on stream 0, or a frame of the connection itself on another stream.
    case badStream(FrameKind)
    /// A method or status in a frame that has none.
    case reservedNotZero(FrameKind)
    /// A ping or pong whose payload is not 8 bytes.
    case badLength(FrameKind)

    /// Stable, for metrics: one of `names`.
    public var name: String {
        switch self {
        case .badPreface: "bad_preface"
        case .oversize: "oversize"
        case .unknownKind: "unknown_kind"
        case .unexpectedKind: "unexpected_kind"
        case .badFlags: "bad_flags"
        case .badStream: "bad_stream"
        case .reservedNotZero: "reserved_not_zero"
        case .badLength: "bad_length"
        }
    }

    public static let names = [
        "bad_preface", "oversize", "unknown_kind", "unexpected_kind", "bad_flags", "bad_stream", "reserved_not_zero",
        "bad_length",
    ]

    public var description: String {
        switch self {
        case .badPreface: "the connection must begin with the preface 53 4C 55 49 43 45 00 01"
        case .oversize(let length, let limit): "a payload of \(length) bytes; at most \(limit) are taken"
        case .unknownKind(let kind): "unknown frame kind \(kind)"
        case .unexpectedKind(let kind): "a \(kind.name) frame goes the other way only"
        case .badFlags(let flags): "flags \(flags), which no announced feature defines"
        case .badStream(let kind): kind == .request ? "a request on stream 0" : "a \(kind.name) frame not on stream 0"
        case .reservedNotZero(let kind): "a \(kind.name) frame with a method or a status"
        case .badLength(let kind): "the payload of a \(kind.name) frame must be 8 bytes"
        }
    }
}
