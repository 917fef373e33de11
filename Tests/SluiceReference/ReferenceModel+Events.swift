import SluiceModel

/// What makes two requests the same event.
struct EventKey: Hashable, Sendable {
    let mode: Mode
    let action: [UInt8]
    /// Sorted by dimension, none of them empty.
    let entities: [ReferenceModel.Entity]
    let id: [UInt8]

    /// Nil of a peek, and of a request without an id.
    init?(_ request: ReferenceModel.Request) {
        guard request.mode != .peek, !request.eventID.isEmpty else { return nil }
        mode = request.mode
        action = request.action
        entities = ReferenceModel.sortedTuple(request.entities)
        id = request.eventID
    }
}

/// What is remembered of an event.
struct EventMemory: Sendable {
    struct Answer: Sendable {
        let verdict: Verdict
        let retryAfterMs: UInt64?
        /// When it was given.
        let atMs: UInt64
    }

    /// What one counter took in from it.
    struct Counted: Sendable {
        let key: CellKey
        let life: Int
        let contribution: Contribution
        /// The event's own time in the counter.
        let timeMs: UInt64
    }

    /// The first moment at which it is forgotten.
    var expiresMs: UInt64
    /// Nil of a tombstone: the event was undone before it came.
    var answer: Answer?
    var isUndone = false
    var counted: [Counted] = []
}

/// Events are decided once, and undone once.
extension ReferenceModel {
    /// Judges and counts one request, as one indivisible step; one that repeats an event is told what the first was.
    ///
    /// - Parameter now: unix ms of the clock that all decisions share; it may step in either direction.
    public mutating func decide(_ request: Request, atMs now: UInt64) -> Decision {
        guard let event = EventKey(request) else { return decideAnew(request, atMs: now).decision }
        if let memory = remembered(event, atMs: now) {
            guard let answer = memory.answer else { return answerUndone(request, event, memory, atMs: now) }
            // A denial of a later time was to end when that time came. The clock has been set back, and it might not.
            let isStale = answer.verdict == .deny && now + 1_000 < answer.atMs
            if !isStale { return Decision(repeating: answer) }
        }
        let (decision, counted) = decideAnew(request, atMs: now)
        let isRefused = decision.verdict == .deny
        let rememberedMs = isRefused ? min(eventMemoryMs, decision.retryAfterMs ?? eventMemoryMs) : eventMemoryMs
        events[event] = EventMemory(
            expiresMs: now + rememberedMs, answer: .init(decision, atMs: now), counted: counted)
        return decision
    }

    private func remembered(_ event: EventKey, atMs now: UInt64) -> EventMemory? {
        guard let memory = events[event], now < memory.expiresMs else { return nil }
        return memory
    }

    /// Answers an event that was undone before it came: it counts nothing.
    private mutating func answerUndone(
        _ request: Request, _ event: EventKey, _ memory: EventMemory, atMs now: UInt64
    ) -> Decision {
        var decision = Decision(verdict: .allow, trips: [], retryAfterMs: nil, tightest: nil)
        if request.mode == .check {
            var look = request
            look.mode = .peek
            decision = decideAnew(look, atMs: now).decision
        }
        var memory = memory
        memory.answer = .init(decision, atMs: now)
        memory.expiresMs = max(memory.expiresMs, now + eventMemoryMs)
        events[event] = memory
        return decision
    }

    /// Takes back what an event counted, as a check and as a record, once. Where neither has come yet, it will count
    /// nothing when it comes.
    ///
    /// - Parameters:
    ///   - cost: how much of its cost at most; 0: all.
    ///   - amount: how much of its amount at most; 0: all.
    /// - Returns: whether an event was undone that was not before.
    public mutating func undo(
        action: [UInt8],
        entities: [(dimension: String, value: [UInt8])],
        eventID: [UInt8],
        cost: UInt64 = 0,
        amount: UInt64 = 0,
        atMs now: UInt64
    ) -> Bool {
        let keys = [Mode.check, .record].compactMap {
            EventKey(Request(action: action, entities: entities, mode: $0, eventID: eventID))
        }
        let tombstone = EventMemory(expiresMs: now + eventMemoryMs, isUndone: true)
        guard keys.contains(where: { remembered($0, atMs: now) != nil }) else {
            for key in keys { events[key] = tombstone }
            return false
        }
        var isUndone = false
        for key in keys {
            guard var memory = remembered(key, atMs: now), !memory.isUndone else { continue }
            for counted in memory.counted { takeBack(counted, cost: cost, amount: amount, atMs: now) }
            memory.isUndone = true
            memory.expiresMs = max(memory.expiresMs, tombstone.expiresMs)
            events[key] = memory
            isUndone = true
        }
        return isUndone
    }

    private mutating func takeBack(
        _ counted: EventMemory.Counted, cost: UInt64, amount: UInt64, atMs now: UInt64
    ) {
        guard var cell = cells[counted.key], cell.life == counted.life else { return }
        var contribution = counted.contribution
        if case .weight(let weight) = contribution {
            let most = cell.measure == .sum ? amount : cost
            contribution = .weight(most == 0 ? weight : min(weight, most))
        }
        cell.tally.takeBack(contribution, countedAtMs: counted.timeMs, atMs: now)
        if cell.tally.isEmpty { cell.life = 0 }
        cells[counted.key] = cell.isEmpty ? nil : cell
    }
}

extension EventMemory.Answer {
    fileprivate init(_ decision: ReferenceModel.Decision, atMs now: UInt64) {
        self.init(verdict: decision.verdict, retryAfterMs: decision.retryAfterMs, atMs: now)
    }
}

extension ReferenceModel.Decision {
    fileprivate init(repeating answer: EventMemory.Answer) {
        self.init(
            verdict: answer.verdict, trips: [], retryAfterMs: answer.retryAfterMs, tightest: nil, duplicate: true)
    }
}
