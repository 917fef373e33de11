import SluiceModel
import SluiceReference

// Words that make the examples of the reference model short.

extension ReferenceModel {
    typealias Dimensions = KeyValuePairs<String, String>

    mutating func check(
        _ action: String = "buy",
        _ entities: Dimensions = ["user": "u1"],
        cost: UInt64 = 1,
        amount: UInt64 = 0,
        event: String = "",
        listing: Listing? = nil,
        at now: UInt64
    ) -> Decision {
        decide(Request(action, entities, cost: cost, amount: amount, event: event, listing: listing), atMs: now)
    }

    mutating func peek(
        _ action: String = "buy",
        _ entities: Dimensions = ["user": "u1"],
        cost: UInt64 = 1,
        amount: UInt64 = 0,
        event: String = "",
        listing: Listing? = nil,
        at now: UInt64
    ) -> Decision {
        var request = Request(action, entities, cost: cost, amount: amount, event: event, listing: listing)
        request.mode = .peek
        return decide(request, atMs: now)
    }

    @discardableResult
    mutating func record(
        _ action: String = "buy",
        _ entities: Dimensions = ["user": "u1"],
        cost: UInt64 = 1,
        amount: UInt64 = 0,
        ageMs: UInt64 = 0,
        event: String = "",
        listing: Listing? = nil,
        at now: UInt64
    ) -> Decision {
        var request = Request(action, entities, cost: cost, amount: amount, event: event, listing: listing)
        request.mode = .record
        request.ageMs = ageMs
        return decide(request, atMs: now)
    }

    @discardableResult
    mutating func undo(
        _ action: String = "buy",
        _ entities: Dimensions = ["user": "u1"],
        event: String,
        cost: UInt64 = 0,
        amount: UInt64 = 0,
        at now: UInt64
    ) -> Bool {
        undo(
            action: Array(action.utf8), entities: entities.bytes, eventID: Array(event.utf8), cost: cost,
            amount: amount,
            atMs: now)
    }

    /// Checks at each time and returns the verdicts.
    mutating func verdicts(_ times: UInt64...) -> [Verdict] {
        times.map { check(at: $0).verdict }
    }

    /// How long every limit still blocks, in the order of `inspect`.
    func blockedMs(_ entities: Dimensions = ["user": "u1"], at now: UInt64) -> [UInt64] {
        inspect(entities.bytes, atMs: now).map(\.blockedMs)
    }

    /// What every limit has used, in the order of `inspect`.
    func used(_ entities: Dimensions = ["user": "u1"], at now: UInt64) -> [UInt64] {
        inspect(entities.bytes, atMs: now).map(\.used)
    }
}

extension ReferenceModel.Request {
    init(
        _ action: String,
        _ entities: ReferenceModel.Dimensions,
        cost: UInt64 = 1,
        amount: UInt64 = 0,
        mode: Mode = .check,
        ageMs: UInt64 = 0,
        event: String = "",
        listing: ReferenceModel.Listing? = nil
    ) {
        self.init(
            action: Array(action.utf8), entities: entities.bytes, cost: cost, amount: amount, mode: mode, ageMs: ageMs,
            eventID: Array(event.utf8), listing: listing)
    }
}

extension ReferenceModel.Dimensions {
    var bytes: [(dimension: String, value: [UInt8])] { map { ($0.key, Array($0.value.utf8)) } }
}

extension Rule {
    /// A rule that checks and counts `buy` for each user unless told otherwise.
    static func example(
        _ name: String = "rule",
        check: [String] = ["buy"],
        count: [String]? = nil,
        per: [String] = ["user"],
        when: KeyValuePairs<String, [String]> = [:],
        measure: Measure = .count,
        limits: [Limit],
        counting: Counting = .admitted,
        shadow: Bool = false,
        exactUpTo: UInt64 = 64,
        slices: Int = 60,
        overrides: [Override] = []
    ) -> Rule {
        Rule(
            name: name,
            check: check.map(Pattern.init(spelled:)),
            count: count?.map(Pattern.init(spelled:)),
            per: per,
            when: when.conditions,
            measure: measure,
            limits: limits,
            counting: counting,
            shadow: shadow,
            exactUpTo: exactUpTo,
            slices: slices,
            overrides: overrides
        )
    }
}

extension Limit {
    static func most(
        _ max: UInt64, in windowMs: UInt64, _ verdict: Verdict = .deny, blockForMs: [UInt64] = []
    ) -> Limit {
        Limit(max: max, windowMs: windowMs, verdict: verdict, text: "\(max) per \(windowMs)ms", blockForMs: blockForMs)
    }
}

extension Override {
    static func matching(_ conditions: KeyValuePairs<String, [String]>, _ effect: Effect) -> Override {
        Override(conditions: conditions.conditions, effect: effect)
    }
}

extension KeyValuePairs<String, [String]> {
    fileprivate var conditions: [Condition] {
        map { Condition(dimension: $0.key, patterns: $0.value.map(Pattern.init(spelled:))) }
    }
}
