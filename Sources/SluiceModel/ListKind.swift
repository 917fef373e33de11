/// What being on a list means. Where an entity is on several, `deny` wins over `allow`, and `allow` over `watch`.
public enum ListKind: UInt8, CaseIterable, Sendable {
    /// The verdict is deny.
    case deny = 1
    /// The verdict is allow, and everything still counts.
    case allow = 2
    /// The verdict is at least review.
    case watch = 3

    /// As the limits file and the command line spell it.
    public var name: String {
        switch self {
        case .deny: "deny"
        case .allow: "allow"
        case .watch: "watch"
        }
    }

    public init?(name: some StringProtocol) {
        guard let match = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = match
    }
}

/// Values of one dimension that the limits file puts on a list.
public struct FileListing: Hashable, Sendable {
    public var kind: ListKind
    public var dimension: String
    /// A literal or a prefix (`bot-*`), in the normal form of the dimension. Of a dimension of type ip, a literal that
    /// `IPNetwork` reads stands for all addresses in it, as callers send them: before the dimension's prefix cuts them.
    public var patterns: [Pattern]

    public init(kind: ListKind, dimension: String, patterns: [Pattern]) {
        self.kind = kind
        self.dimension = dimension
        self.patterns = patterns
    }
}
