import SluiceModel
import SluiceReference
import Testing

/// The real scripts against the reference model on every sequence of up to six operations, where limits, windows, costs
/// and spans of time are as small as they can be and still do everything they do. Where an event or a wide number makes
/// every sequence lead to a state of its own, sequences are shorter.
@Suite("In a small scope Redis decides every sequence of operations as the reference model does")
struct SmallScopeTests {
    /// At once, one tick, most of a window, more than a window; a little back, and a clock step back.
    private static let spans = [0, 1, 3, 5, -1, -1_500]

    private static func search(_ name: String, _ scope: SmallScope) async throws {
        let search = try await SmallScopeSearch(scope)
        let started = ContinuousClock.now
        do {
            try await search.run()
        } catch let error as SmallScopeSearch.Disagreement {
            Issue.record("\(name): \(error)")
        }
        let seconds = (ContinuousClock.now - started) / .seconds(1)
        print("\(name): \(search.states) states, \(search.edges) edges, \(Int(seconds * 10)) tenths of a second")
        #expect(search.states > 5)
    }

    private static func requests(
        _ mode: Mode = .check, costs: ClosedRange<UInt64> = 1...1, ageMs: UInt64 = 0
    ) -> [ReferenceModel.Request] {
        costs.map { .init("a", cost: $0, mode: mode, ageMs: ageMs) }
    }

    /// Checks of every cost at every span, up to one that never passes; peeks; records, which go beyond the limit;
    /// outcomes of two ticks ago.
    private static func counts(max: UInt64) -> [SmallScope.Operation] {
        .each(requests(costs: 1...(max + 1)), afterMs: spans)
            + .each(requests(.peek), afterMs: [0, 5, -1_500])
            + .each(requests(.record) + requests(.record, ageMs: 2), afterMs: [0])
    }

    @Test("Of an exact log", arguments: 0...3 as ClosedRange<UInt64>)
    func exact(max: UInt64) async throws {
        try await Self.search(
            "exact log, max \(max)",
            SmallScope(rules: [.perUser(max: max, windowMs: 4)], operations: Self.counts(max: max)))
    }

    @Test("Of slices", arguments: 1...2 as ClosedRange<UInt64>)
    func sliced(max: UInt64) async throws {
        try await Self.search(
            "slices, max \(max)",
            SmallScope(
                rules: [.perUser(max: max, windowMs: 8, exactUpTo: 0, slices: 4)], operations: Self.counts(max: max),
                longestTickMs: 2))
    }

    @Test("Of an exact log that requests of another tier cut into slices")
    func conversion() async throws {
        var rule = Rule.perUser(max: 2, windowMs: 8, exactUpTo: 2, slices: 4)
        let more = Limit(max: 4, windowMs: 8, text: "")
        rule.overrides = [
            Override(conditions: [Condition(dimension: "tier", patterns: [Pattern("big")])], effect: .limits([more]))
        ]
        let both: [ReferenceModel.Request] = [.init("a"), .init("a", ["tier": "big"]), .init("a", cost: 2)]
        try await Self.search(
            "from log to slices",
            SmallScope(rules: [rule], operations: .each(both, afterMs: Self.spans), longestTickMs: 2))
    }

    @Test("Of a sum")
    func sum() async throws {
        var rule = Rule.perUser(max: 3, windowMs: 4)
        rule.measure = .sum
        let amounts = (0...4 as ClosedRange<UInt64>).map { amount in
            var request = ReferenceModel.Request("a")
            request.amount = amount
            return request
        }
        try await Self.search(
            "sum", SmallScope(rules: [rule], operations: .each(amounts, afterMs: Self.spans)))
    }

    @Test("Of different values", arguments: 0...2 as ClosedRange<UInt64>)
    func distinct(max: UInt64) async throws {
        var rule = Rule.perUser(max: max, windowMs: 4)
        rule.measure = .distinct(dimension: "card")
        let cards = ["x", "y", "z"]
        try await Self.search(
            "different values, max \(max)",
            SmallScope(
                rules: [rule],
                operations: .each(cards.map { .init("a", ["card": $0]) }, afterMs: [0, 1, 5, -1, -1_500])
                    + .each([.init("a", ["card": "x"], mode: .peek)], afterMs: [0, 5])
                    + .each([.init("a", ["card": "x"], mode: .record, ageMs: 2)], afterMs: [0, 1])))
    }

    @Test("Of attempts, which are counted when they are denied")
    func attempts() async throws {
        var rule = Rule.perUser(max: 1, windowMs: 4)
        rule.counting = .attempts
        try await Self.search(
            "attempts",
            SmallScope(rules: [rule], operations: .each(Self.requests(costs: 1...2), afterMs: Self.spans)))
    }

    @Test("Of a limit that is passed, whose oldest pairs merge", arguments: 0...2 as ClosedRange<UInt64>)
    func review(max: UInt64) async throws {
        try await Self.search(
            "review, max \(max)",
            SmallScope(
                rules: [.perUser(max: max, windowMs: 4, verdict: .review)],
                operations: .each(Self.requests(costs: 1...2), afterMs: Self.spans)))
    }

    @Test("Of two windows of one rule beside a rule in shadow")
    func windows() async throws {
        var rule = Rule.perUser("both", max: 1, windowMs: 1)
        rule.limits.append(Limit(max: 2, windowMs: 4, text: ""))
        var shadow = Rule.perUser("shadow", max: 1, windowMs: 3)
        shadow.shadow = true
        try await Self.search(
            "two windows and a shadow rule",
            SmallScope(
                rules: [rule, shadow],
                operations: .each(Self.requests(costs: 1...2), afterMs: Self.spans)
                    + .each(Self.requests(.record), afterMs: [0, 1])))
    }

    @Test("Of blocks that escalate and decay", arguments: [Verdict.review, .deny])
    func blocks(verdict: Verdict) async throws {
        var rule = Rule.perUser(max: 1, windowMs: 2, verdict: verdict)
        rule.limits[0].blockForMs = [2, 5]
        try await Self.search(
            "blocks, verdict \(verdict)",
            SmallScope(
                rules: [rule],
                operations: .each(Self.requests(), afterMs: [0, 1, 2, 5, 11, -1, -1_500])
                    + .each(Self.requests(.peek), afterMs: [0, -1]) + .each(Self.requests(.record), afterMs: [0])))
    }

    /// One event of cost 1 and one of cost 2, and one that is a record: repeats come by themselves, undos before, after,
    /// twice and of a part. What is remembered is forgotten within the scope. Hardly two sequences lead to the same, so
    /// they have four operations; six where there are fewer to choose from.
    @Test("Of events and undos", arguments: [4, 6])
    func events(depth: Int) async throws {
        func event(_ id: String, cost: UInt64, mode: Mode = .check) -> ReferenceModel.Request {
            var request = ReferenceModel.Request("a", cost: cost, mode: mode)
            request.eventID = Array(id.utf8)
            return request
        }
        let (one, two, outcome) = (event("1", cost: 1), event("2", cost: 2), event("2", cost: 2, mode: .record))
        let few: [SmallScope.Operation] =
            .each([one], afterMs: [0, 5]) + .each([two], afterMs: [1]) + .undo(one, afterMs: [0])
            + .undo(two, cost: 1, afterMs: [0])
        let many: [SmallScope.Operation] =
            .each([one, two], afterMs: [0, 1, 5, -1_500]) + .each([outcome], afterMs: [0, 1])
            + .each(Self.requests(), afterMs: [0]) + .undo(one, afterMs: [0, 1]) + .undo(two, afterMs: [0, 5, -1_500])
            + .undo(two, cost: 1, afterMs: [0])
        try await Self.search(
            "events and undos, depth \(depth)",
            SmallScope(
                rules: [.perUser(max: 2, windowMs: 4)], operations: depth == 4 ? many : few, depth: depth,
                eventMemoryMs: 10))
    }

    @Test("Of events that add values to a set, and undos that take them out")
    func members() async throws {
        var rule = Rule.perUser(max: 1, windowMs: 4)
        rule.measure = .distinct(dimension: "card")
        func event(_ id: String, _ card: String) -> ReferenceModel.Request {
            var request = ReferenceModel.Request("a", ["card": card])
            request.eventID = Array(id.utf8)
            return request
        }
        let (one, two) = (event("1", "x"), event("2", "y"))
        try await Self.search(
            "events of a set",
            SmallScope(
                rules: [rule],
                operations: .each([one, two, .init("a", ["card": "x"])], afterMs: [0, 1, 5])
                    + .undo(one, afterMs: [0, 1, 5]) + .undo(two, afterMs: [0, -1_500]),
                depth: 4, eventMemoryMs: 10))
    }

    /// Offsets and weights of one byte that come to need two, and weights that merge.
    @Test("Of numbers that outgrow their fields")
    func widths() async throws {
        try await Self.search(
            "widths",
            SmallScope(
                rules: [.perUser(max: 2, windowMs: 200, verdict: .review)],
                operations: .each([.init("a"), .init("a", cost: 255)], afterMs: [0, 1, 55, 200])
                    + .each([.init("a", cost: 256)], afterMs: [1]),
                depth: 5))
    }

    /// What one tick and what all of them hold ends at 2^53 - 1; an undo takes back what was really counted.
    @Test("Of sums that end at the largest integer")
    func largest() async throws {
        var rule = Rule.perUser(max: 2, windowMs: 4)
        rule.measure = .sum
        rule.limits[0].max = Caps.exactInteger
        rule.counting = .attempts
        let requests = [1, Caps.exactInteger].map { amount in
            var request = ReferenceModel.Request("a")
            request.amount = amount
            return request
        }
        var event = requests[1]
        event.eventID = [UInt8(ascii: "1")]
        try await Self.search(
            "largest integer",
            SmallScope(
                rules: [rule],
                operations: .each(requests + [event], afterMs: [0, 1, 4, -1]) + .undo(event, afterMs: [0, 4])
                    + .undo(event, amount: 1, afterMs: [0]),
                depth: 4))
    }
}
