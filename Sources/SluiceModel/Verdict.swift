/// What the caller should do with a request, from harmless to final. The worst enforced verdict wins.
public enum Verdict: UInt8, Comparable, CaseIterable, Sendable {
    case allow = 0
    case review = 1
    case challenge = 2
    case deny = 3

    /// The verdict's name as the limits file, the command line and the JSON output spell it.
    public var name: String {
        switch self {
        case .allow: "allow"
        case .review: "review"
        case .challenge: "challenge"
        case .deny: "deny"
        }
    }

    public init?(name: some StringProtocol) {
        guard let match = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = match
    }

    public static func < (lhs: Verdict, rhs: Verdict) -> Bool { lhs.rawValue < rhs.rawValue }
}
