/// What a frame is.
@frozen
public enum FrameKind: UInt8, CaseIterable, Sendable {
    case request = 1
    case response = 2
    case ping = 3
    case pong = 4
    case goAway = 5
    case hello = 6

    public var name: String {
        switch self {
        case .request: "request"
        case .response: "response"
        case .ping: "ping"
        case .pong: "pong"
        case .goAway: "goaway"
        case .hello: "hello"
        }
    }
}

/// Which end of a connection sent a frame; it decides which kinds are allowed.
@frozen
public enum FrameSender: Sendable {
    case client
    case server
}
