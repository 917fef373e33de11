import SluiceModel

/// A cell as a request finds it and as it leaves it.
struct Reading {
    /// Without what has expired; what a clock that was set back left ahead of now is moved back.
    private(set) var cell: Cell
    /// What the tally is judged at.
    let timeMs: UInt64
    /// Whether the clock had been set back.
    let isStep: Bool
    private(set) var isAdvanced = false
    private(set) var isBlocked = false
    /// What the request added; nil of what it only refreshed.
    private(set) var counted: (contribution: Contribution, timeMs: UInt64)?

    /// - Parameter blocking: the verdicts of the limits with `block_for` that are judged.
    init(_ stored: Cell, blocking: Set<Verdict>, atMs now: UInt64) {
        cell = stored
        var isStep: Bool
        (timeMs, isStep) = stored.tally.judgingTime(atMs: now)
        if isStep { cell.tally.moveFutureBack(toMs: now) }
        cell.tally.dropExpired(atMs: timeMs)
        if cell.tally.isEmpty { cell.life = 0 }
        for verdict in blocking where cell.blocks[verdict]?.isStep(atMs: now) == true {
            cell.blocks[verdict]?.restart(atMs: now)
            isStep = true
        }
        self.isStep = isStep
    }

    /// The block of a limit that starts any, while it lasts.
    func block(of limit: Limit, atMs now: UInt64) -> Block? {
        guard !limit.blockForMs.isEmpty, let block = cell.blocks[limit.verdict] else { return nil }
        return block.isRunning(atMs: now) ? block : nil
    }

    /// Counts what the request brings as of `ageMs` ago, unless that is nothing or the window no longer reaches it.
    mutating func advance(by contribution: Contribution, ageMs: UInt64, for applied: AppliedRule, windowMs: UInt64) {
        let largestMax = applied.largestMax(windowMs: windowMs)
        switch (cell.tally, contribution) {
        case (.weights(var counter), .weight(let weight)):
            guard weight > 0 else { return }
            counter.adopt(applied.resolution(windowMs: windowMs))
            guard counter.reaches(ageMs: ageMs, before: timeMs) else { return }
            counter.add(weight, atMs: timeMs - ageMs)
            if counter.tickMs == 1, largestMax <= applied.rule.exactUpTo {
                counter.mergeOldest(toAtMost: largestMax + 1)
            }
            cell.tally = .weights(counter)
            counted = (contribution, timeMs - ageMs)
        case (.members(var set), .member(let value)):
            guard set.reaches(ageMs: ageMs, before: timeMs) else { return }
            let isNew = !set.contains(value)
            set.see(value, atMs: timeMs - ageMs, keepingAtMost: largestMax + 1)
            cell.tally = .members(set)
            // An outcome older than all that the set has room for is gone at once.
            if isNew, set.contains(value) { counted = (contribution, timeMs - ageMs) }
        case (.weights, .member), (.members, .weight):
            preconditionFailure("a rule counts with another measure than its own")
        }
        isAdvanced = true
    }

    /// Starts the block of a limit that tripped, unless another limit has just started it.
    mutating func startBlock(of limit: Limit, atMs now: UInt64) {
        guard block(of: limit, atMs: now) == nil else { return }
        let last = cell.blocks[limit.verdict]
        cell.blocks[limit.verdict] = Block(steps: limit.blockForMs, after: last, atMs: now)
        isBlocked = true
    }
}
