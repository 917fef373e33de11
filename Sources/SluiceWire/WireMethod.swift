/// What a request asks for. Any byte is a method; one without a name is answered UNIMPLEMENTED.
@frozen
public struct WireMethod: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt8

    @inlinable
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// Of frames that are neither a request nor a response.
    @inlinable public static var none: Self { .init(rawValue: 0) }

    @inlinable public static var check: Self { .init(rawValue: 1) }
    @inlinable public static var checkBatch: Self { .init(rawValue: 2) }
    @inlinable public static var undo: Self { .init(rawValue: 3) }
    @inlinable public static var authenticate: Self { .init(rawValue: 4) }

    @inlinable public static var inspect: Self { .init(rawValue: 16) }
    @inlinable public static var reset: Self { .init(rawValue: 17) }
    @inlinable public static var rules: Self { .init(rawValue: 18) }
    @inlinable public static var reload: Self { .init(rawValue: 19) }
    @inlinable public static var top: Self { .init(rawValue: 20) }
    @inlinable public static var setListing: Self { .init(rawValue: 21) }
    @inlinable public static var listings: Self { .init(rawValue: 22) }
    @inlinable public static var stats: Self { .init(rawValue: 23) }

    /// Whether it is served on the admin listener only.
    @inlinable public var isAdmin: Bool { rawValue >= 16 && rawValue <= 23 }

    /// Stable, for logs and metrics; every method without a name is `unknown`.
    public var name: String {
        switch self {
        case .check: "check"
        case .checkBatch: "check_batch"
        case .undo: "undo"
        case .authenticate: "authenticate"
        case .inspect: "inspect"
        case .reset: "reset"
        case .rules: "rules"
        case .reload: "reload"
        case .top: "top"
        case .setListing: "set_listing"
        case .listings: "listings"
        case .stats: "stats"
        default: "unknown"
        }
    }
}
