/// How a request fared; the numbers are gRPC's status codes. A verdict of deny is `ok`.
@frozen
public struct WireStatus: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt8

    @inlinable
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    @inlinable public static var ok: Self { .init(rawValue: 0) }
    @inlinable public static var invalidArgument: Self { .init(rawValue: 3) }
    /// Of undo and admin requests only: a check is always answered by policy.
    @inlinable public static var deadlineExceeded: Self { .init(rawValue: 4) }
    @inlinable public static var notFound: Self { .init(rawValue: 5) }
    @inlinable public static var permissionDenied: Self { .init(rawValue: 7) }
    /// Shed, because too much was queued.
    @inlinable public static var resourceExhausted: Self { .init(rawValue: 8) }
    @inlinable public static var unimplemented: Self { .init(rawValue: 12) }
    @inlinable public static var `internal`: Self { .init(rawValue: 13) }
    @inlinable public static var unavailable: Self { .init(rawValue: 14) }
    @inlinable public static var unauthenticated: Self { .init(rawValue: 16) }

    /// Whether the request may have counted. After any other status it certainly did not.
    @inlinable public var mayHaveCounted: Bool {
        self == .ok || self == .deadlineExceeded || self == .internal
    }

    /// Stable, for logs and metrics; every status without a name is `unknown`.
    public var name: String {
        switch self {
        case .ok: "ok"
        case .invalidArgument: "invalid_argument"
        case .deadlineExceeded: "deadline_exceeded"
        case .notFound: "not_found"
        case .permissionDenied: "permission_denied"
        case .resourceExhausted: "resource_exhausted"
        case .unimplemented: "unimplemented"
        case .internal: "internal"
        case .unavailable: "unavailable"
        case .unauthenticated: "unauthenticated"
        default: "unknown"
        }
    }
}
