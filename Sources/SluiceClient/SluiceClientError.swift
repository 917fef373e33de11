import SluiceWire

/// Why a call has no answer. Descriptions never carry an entity's value and are safe to show anyone.
public enum SluiceClientError: Error, Hashable, Sendable, CustomStringConvertible {
    /// There was no connection before the deadline, and `why` the last attempt failed. Nothing was sent.
    case unreachable(Endpoint, why: String)
    /// More calls are waiting or in flight than the configuration, or the server, allows. Nothing was sent.
    case tooManyInFlight(limit: Int)
    /// The encoded request is longer than the server takes, both in bytes. Nothing was sent.
    case payloadTooLong(bytes: Int, limit: Int)
    /// The client was shut down before the call. Nothing was sent.
    case shutDown
    /// No answer came in time. The server may have counted the request.
    case deadlineExceeded
    /// The connection broke before the answer came. The server may have counted the request.
    case connectionLost(why: String)
    /// An answer came that is not one of this protocol. The server may have counted the request.
    case malformedAnswer(why: String)
    /// The calling task was cancelled. The server may have counted the request.
    case cancelled
    /// The server answered with a status other than `ok`.
    case status(WireStatus, message: String)

    /// Whether the server may have counted the request. Repeat such a call only if it carries an event id.
    public var mayHaveCounted: Bool {
        switch self {
        case .unreachable, .tooManyInFlight, .payloadTooLong, .shutDown: false
        case .deadlineExceeded, .connectionLost, .malformedAnswer, .cancelled: true
        case .status(let status, _): status.mayHaveCounted
        }
    }

    public var description: String {
        switch self {
        case .unreachable(let endpoint, let why): "no connection to \(endpoint): \(why)"
        case .tooManyInFlight(let limit): "more than \(limit) calls are waiting for an answer"
        case .payloadTooLong(let bytes, let limit): "the request is \(bytes) bytes long, the server takes \(limit)"
        case .shutDown: "the client was shut down"
        case .deadlineExceeded: "no answer before the deadline"
        case .connectionLost(let why): "the connection was lost: \(why)"
        case .malformedAnswer(let why): "malformed answer: \(why)"
        case .cancelled: "the call was cancelled"
        case .status(let status, let message):
            message.isEmpty ? "\(status.label)" : "\(status.label): \(message)"
        }
    }
}

extension WireStatus {
    /// The name, with the number of a status that has none.
    fileprivate var label: String { name == "unknown" ? "status \(rawValue)" : name }
}
