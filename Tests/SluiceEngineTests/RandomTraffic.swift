import SluiceModel
import SluiceReference
import TestSupport

/// Rules and requests at random, small enough that limits trip and windows pass all the time. Each seed has few or many
/// of everything, so that among several some meet all the time what the others hardly ever do.
struct RandomTraffic {
    var random: SeededGenerator
    private(set) var rules: [Rule] = []
    private(set) var nowMs: UInt64
    /// Taken out of force for a while.
    private var absent: [Rule] = []
    private static let dimensions = ["user", "device", "merchant", "tier"]
    /// Requests with an event id, of late.
    private var events: [ReferenceModel.Request] = []
    private var eventCount = 0
    private let cards: [String]
    private let actions: [String]
    private let values: [String]
    private let windows: [UInt64]
    private let maxima: [UInt64]
    /// One request in so many is an event; one entity in so many is missing.
    private let eventOdds, missingOdds: Int
    /// How many events may be repeated or undone.
    private let eventsKept: Int
    private let longestPauseMs: UInt64
    private var limitCount = 0
    /// Requests that are decided together, at most.
    let mostAtOnce: Int

    init(random: SeededGenerator) {
        var random = random
        func some<T>(_ list: [T], atLeast least: Int = 1) -> [T] {
            let count = Int.random(in: least...list.count, using: &random)
            return Array(list.shuffled(using: &random).prefix(count))
        }
        cards = some(["c0", "c1", "c2", "c3", "c4", "c5", "a longer card number than fits"])
        actions = some(["login", "login.failed", "buy", "buy.now"])
        values = ["a"] + some(["ab", "abc", "b", ""], atLeast: 0)
        windows = some([1, 7, 40, 100, 1_000, 1_234, 5_000, 60_000])
        maxima = some([0, 1, 2, 3, 5, 8, 20, 64, 65, 100, 1_000, 70_000, 1 << 31, Caps.exactInteger], atLeast: 3)
        eventOdds = [1, 2, 4, 8].randomElement(using: &random)!
        missingOdds = [6, 40].randomElement(using: &random)!
        eventsKept = [2, 8, 40].randomElement(using: &random)!
        longestPauseMs = [4, 50, 2_000].randomElement(using: &random)!
        mostAtOnce = [4, 12, 40].randomElement(using: &random)!
        nowMs = UInt64.random(in: 1_000_000...2_000_000, using: &random)
        self.random = random
        rules = (0..<Int.random(in: 1...5, using: &self.random)).map { rule($0) }
    }

    private mutating func pick<T>(_ list: [T]) -> T { list.randomElement(using: &random)! }

    private mutating func patterns() -> [Pattern] {
        (0..<Int.random(in: 1...2, using: &random)).map { _ in
            random.oneIn(4) ? Pattern(pick(["", "log", "login", "buy"]), isPrefix: true) : Pattern(pick(actions))
        }
    }

    private mutating func maximum() -> UInt64 { pick(maxima) }

    /// Limits over `windows`: the set of windows stays that of the rule, so that a live change keeps its counters.
    private mutating func limits(over windows: [UInt64]) -> [Limit] {
        var limits = windows.map { limit(windowMs: $0) }
        while limits.count < 6, random.oneIn(3) { limits.append(limit(windowMs: pick(windows))) }
        return limits
    }

    /// Each has a text of its own, as two of the same numbers may differ in what they block for.
    private mutating func limit(windowMs: UInt64) -> Limit {
        limitCount += 1
        let steps = random.oneIn(4) ? Int.random(in: 1...3, using: &random) : 0
        return Limit(
            max: maximum(), windowMs: windowMs, verdict: verdict(), text: "limit \(limitCount)",
            blockForMs: (0..<steps).map { _ in pick([1, 20, 300, 2_000, 30_000]) })
    }

    private mutating func measure(_ per: [String]) -> Measure {
        let others = (Self.dimensions + ["card", "card"]).filter { !per.contains($0) }
        return pick([.count, .count, .sum, .distinct(dimension: pick(others))])
    }

    private mutating func verdict() -> Verdict { pick([.review, .challenge, .deny, .deny, .deny]) }

    private mutating func condition() -> Condition {
        let dimension = pick(Self.dimensions)
        let patterns = (0..<Int.random(in: 1...2, using: &random)).map { _ in
            random.oneIn(3) ? Pattern(pick(["", "a", "ab"]), isPrefix: true) : Pattern(pick(["a", "ab", "abc", "b"]))
        }
        return Condition(dimension: dimension, patterns: patterns)
    }

    private mutating func rule(_ number: Int) -> Rule {
        var per = Self.dimensions.dropLast().shuffled(using: &random)
        per.removeLast(Int.random(in: 0...per.count, using: &random))
        let windows = (0..<Int.random(in: 1...3, using: &random)).map { _ in pick(self.windows) }
        var rule = Rule(name: "r\(number)", check: patterns(), per: per, limits: [])
        rule.measure = measure(per)
        vary(&rule, windows: Array(Set(windows)).sorted())
        return rule
    }

    /// What a limits file lets a set hold.
    private mutating func bound(_ rule: inout Rule) {
        guard rule.measure.distinctDimension != nil else { return }
        func bounded(_ limit: Limit) -> Limit {
            var limit = limit
            limit.max = min(limit.max, Caps.distinctMax)
            return limit
        }
        rule.limits = rule.limits.map(bounded)
        for index in rule.overrides.indices {
            guard case .limits(let limits) = rule.overrides[index].effect else { continue }
            rule.overrides[index].effect = .limits(limits.map(bounded))
        }
    }

    /// Everything of a rule but its name, its tuple and its windows.
    private mutating func vary(_ rule: inout Rule, windows: [UInt64]) {
        rule.check = patterns()
        rule.count = random.oneIn(3) ? patterns() : rule.check
        rule.limits = limits(over: windows)
        rule.when = random.oneIn(4) ? [condition()] : []
        rule.counting = random.oneIn(3) ? .attempts : .admitted
        rule.shadow = random.oneIn(4)
        rule.exactUpTo = pick([0, 2, 64, 64, 1_000])
        rule.slices = pick([1, 2, 7, 60, 60, 120])
        rule.overrides = []
        while random.oneIn(3), rule.overrides.count < 4 {
            let conditions = (0..<Int.random(in: 1...2, using: &random)).map { _ in condition() }
            var seen: Set<String> = []
            let distinct = conditions.filter { seen.insert($0.dimension).inserted }
            // Some keep a window that the rule itself has no more, or has not yet.
            let own = random.oneIn(3) ? [pick(self.windows)] : windows
            let effect: Override.Effect = random.oneIn(4) ? .exempt : .limits(limits(over: own))
            rule.overrides.append(Override(conditions: distinct, effect: effect))
        }
        bound(&rule)
    }

    /// A live change: other limits, actions, resolutions and windows for the same rules; rules go and come back.
    mutating func changeRules() {
        if random.oneIn(6), rules.count > 1 {
            absent.append(rules.remove(at: Int.random(in: 0..<rules.count, using: &random)))
        }
        if random.oneIn(6), let rule = absent.popLast() {
            rules.insert(rule, at: Int.random(in: 0...rules.count, using: &random))
        }
        for index in rules.indices where random.oneIn(2) {
            var windows = Set(rules[index].limits.map(\.windowMs)).sorted()
            if random.oneIn(2) { windows[Int.random(in: 0..<windows.count, using: &random)] = pick(self.windows) }
            if random.oneIn(5) { windows.append(pick(self.windows)) }
            if random.oneIn(5), windows.count > 1 { windows.removeLast() }
            windows = Set(windows).sorted()
            var rule = rules[index]
            if random.oneIn(10) { rule.measure = measure(rule.per) }
            vary(&rule, windows: windows)
            rules[index] = rule
        }
    }

    /// Lets time pass, or now and then go back.
    mutating func tick() {
        switch Int.random(in: 0..<40, using: &random) {
        case 0: nowMs -= min(nowMs, UInt64.random(in: 0...900, using: &random))
        case 1: nowMs -= min(nowMs, UInt64.random(in: 0...100_000, using: &random))
        case 2: nowMs += UInt64.random(in: 0...100_000, using: &random)
        case 3...10: nowMs += UInt64.random(in: 0...longestPauseMs, using: &random)
        case 11...20: nowMs += UInt64.random(in: 0...min(50, longestPauseMs), using: &random)
        case 21...30: nowMs += UInt64.random(in: 0...2, using: &random)
        default: break
        }
        // To an undo, time 0 means that of the last request.
        nowMs = max(nowMs, 1)
    }

    /// A request, new or the repeat of an event.
    mutating func request() -> ReferenceModel.Request {
        if let event = someEvent(), random.oneIn(5) {
            var event = event
            if random.oneIn(4), event.cost < Caps.cost { event.cost += 1 }
            return event
        }
        var request = newRequest()
        if random.oneIn(eventOdds) {
            eventCount += 1
            request.eventID = Array("e\(eventCount)".utf8)
            events.append(request)
            if events.count > eventsKept { events.removeFirst() }
        }
        return request
    }

    /// One of the events of late; now and then one that has not come yet, or one of another mode.
    mutating func someEvent() -> ReferenceModel.Request? {
        guard var event = events.randomElement(using: &random) else { return nil }
        if random.oneIn(10) { event.mode = pick([.check, .record]) }
        if event.mode != .record { event.ageMs = 0 }
        if random.oneIn(20) {
            eventCount += 1
            event.eventID = Array("e\(eventCount)".utf8)
            events.append(event)
        }
        return event
    }

    /// What an undo names beside its event: 0, some of it, or more than there was.
    mutating func share() -> UInt64 { pick([0, 0, 0, 1, 2, 100, 1 << 30]) }

    private mutating func newRequest() -> ReferenceModel.Request {
        var entities: [(dimension: String, value: [UInt8])] = []
        for dimension in Self.dimensions where !random.oneIn(missingOdds) {
            entities.append((dimension, Array(pick(values).utf8)))
        }
        if !random.oneIn(missingOdds) { entities.append(("card", Array(pick(cards).utf8))) }
        let mode: Mode = pick([.check, .check, .check, .check, .peek, .record])
        let cost: UInt64 = random.oneIn(8) ? pick([2, 3, 7, 255, 256, 65_536, 0x7FFF_FFFF]) : pick([0, 1, 1, 1, 2])
        let amount: UInt64 =
            random.oneIn(8) ? pick([255, 65_536, 1 << 40, Caps.exactInteger]) : pick([0, 1, 2, 3, 10])
        let age: UInt64 = mode == .record && random.oneIn(2) ? UInt64.random(in: 0...3_000, using: &random) : 0
        return ReferenceModel.Request(
            action: Array(pick(actions).utf8), entities: entities, cost: cost, amount: amount, mode: mode,
            ageMs: age
        )
    }
}
