/// The values of one list and one dimension, in an order in which one that includes another is found quickly.
struct ListCover {
    private let texts: PatternIndex
    private let networks: Set<IPNetwork>
    /// The prefixes that `networks` have.
    private let prefixes: Set<Int>

    init(_ patterns: [Pattern]) {
        texts = PatternIndex(patterns)
        networks = Set(patterns.compactMap(\.network))
        prefixes = Set(networks.map(\.prefix))
    }

    /// Whether all that `pattern` stands for is in one of the values.
    func covers(_ pattern: Pattern) -> Bool {
        if texts.covers(pattern) { return true }
        guard !networks.isEmpty, let network = pattern.network else { return false }
        return prefixes.contains { prefix in
            prefix <= network.prefix && networks.contains(IPNetwork(around: network.address, prefix: prefix))
        }
    }
}

extension Pattern {
    /// The network that it stands for where its dimension is of type ip.
    fileprivate var network: IPNetwork? {
        isPrefix ? nil : try? IPNetwork(text)
    }
}
