import SluiceWire

/// What a reset would forget, out of an answer to inspect.
struct ResetPreview {
    private let usages: [WireUsage]

    /// - Parameter rule: the only rule to be reset, or nil.
    init(_ response: WireInspectResponse, of entities: [EntityArgument], rule: String?) {
        let tuple = Set(entities.map(\.dimension))
        usages = response.usages.filter { usage in
            // Inspect shows smaller tuples too, which a reset leaves alone.
            Set(usage.per.map(\.dimension)) == tuple
                && (rule == nil || usage.rule == rule)
                && (usage.used > 0 || usage.blockedMs > 0)
        }
    }

    var isEmpty: Bool { usages.isEmpty }

    func lines(for terminal: Terminal) -> [String] {
        UsageReport.table(of: usages, for: terminal).lines(for: terminal)
    }

    /// - Parameter whom: the tuple in words.
    func question(of whom: String) -> String {
        // Limits of one rule with the same window share a counter.
        struct Counter: Hashable {
            var rule: String
            var windowMs: UInt64
        }
        let count = UInt64(Set(usages.map { Counter(rule: $0.rule, windowMs: $0.windowMs) }).count)
        return "forget \(count == 1 ? "this" : "these") \(Self.counters(count)) of \(whom)?"
    }

    static func counters(_ count: UInt64) -> String {
        count == 1 ? "1 counter" : "\(NumberWords.grouped(count)) counters"
    }
}
