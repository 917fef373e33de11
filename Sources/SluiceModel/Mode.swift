/// What a request asks for.
public enum Mode: UInt8, CaseIterable, Sendable {
    /// Judged, and counted unless the verdict is deny.
    case check = 0
    /// Judged as a check would be; nothing is written.
    case peek = 1
    /// Counted, and judged by nothing: an outcome reported after the fact.
    case record = 2

    public var name: String {
        switch self {
        case .check: "check"
        case .peek: "peek"
        case .record: "record"
        }
    }

    public init?(name: some StringProtocol) {
        guard let match = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = match
    }
}
