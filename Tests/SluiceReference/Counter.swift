import SluiceModel

/// The weight that one rule counted for one tuple in one window, tick by tick.
struct Counter: Hashable, Sendable {
    struct Pair: Hashable, Sendable {
        var tick: UInt64
        /// At most `Caps.exactInteger`.
        var weight: UInt64
    }

    let windowMs: UInt64
    /// The tick length the pairs were counted with. It means nothing while there are none.
    private(set) var tickMs: UInt64 = 1
    /// Every tick once, oldest first.
    private(set) var pairs: [Pair] = []

    init(windowMs: UInt64) {
        self.windowMs = windowMs
    }

    /// The weight of all pairs, held at the largest integer that Redis can count to.
    var used: UInt64 { pairs.reduce(0) { Self.clampedSum($0, $1.weight) } }

    private var ticks: UInt64 { Resolution(windowMs: windowMs, tickMs: tickMs).ticks }

    private static func clampedSum(_ a: UInt64, _ b: UInt64) -> UInt64 {
        min(min(a, Caps.exactInteger) + min(b, Caps.exactInteger), Caps.exactInteger)
    }

    // MARK: Time

    /// The time this counter is judged at, and whether its clock has stepped back. A last pair slightly ahead of `now`
    /// is where time has got to; one far ahead was put there by a clock that was wrong.
    func judgingTime(atMs now: UInt64) -> (timeMs: UInt64, isStep: Bool) {
        guard let last = pairs.last, last.tick * tickMs > now else { return (now, false) }
        let lastMs = last.tick * tickMs
        let isStep = lastMs - now > max(1_000, tickMs)
        return isStep ? (now, true) : (lastMs, false)
    }

    /// Moves every pair ahead of `now` to now.
    mutating func moveFutureBack(toMs now: UInt64) {
        let nowTick = now / tickMs
        rebuild { min($0, nowTick) }
    }

    /// Drops the pairs that no longer count at `timeMs`.
    mutating func dropExpired(atMs timeMs: UInt64) {
        let ticks = ticks
        pairs.removeAll { timeMs / tickMs > $0.tick + ticks }
    }

    /// Drops the pairs whose tick begins at `timeMs` or later.
    mutating func drop(fromMs timeMs: UInt64) {
        let tickMs = tickMs
        pairs.removeAll { $0.tick * tickMs >= timeMs }
    }

    /// When the pair stops counting.
    private func expiryMs(of pair: Pair) -> UInt64 {
        (pair.tick + ticks + 1) * tickMs
    }

    /// When no more than `room` is used, if nothing else comes; nil if that is so already.
    func timeMs(whenAtMost room: UInt64) -> UInt64? {
        var left = self
        var timeMs: UInt64?
        while left.used > room {
            timeMs = expiryMs(of: left.pairs.removeFirst())
        }
        return timeMs
    }

    /// Until nothing is counted any more, from `now`, if nothing else comes; 0 if nothing is.
    func resetMs(from now: UInt64) -> UInt64 {
        pairs.last.map { expiryMs(of: $0) - now } ?? 0
    }

    // MARK: Counting

    /// Prepares the next write: an empty counter takes the configured tick length, an exact one is converted to a
    /// longer one, a sliced one keeps its own.
    mutating func adopt(_ configured: Resolution) {
        if pairs.isEmpty {
            tickMs = configured.tickMs
        } else if tickMs == 1, configured.tickMs > 1 {
            rebuild { $0 / configured.tickMs }
            tickMs = configured.tickMs
        }
    }

    /// Whether what happened `ageMs` before `timeMs` still counts at `timeMs`.
    func reaches(ageMs: UInt64, before timeMs: UInt64) -> Bool {
        guard ageMs <= timeMs else { return false }
        return (timeMs - ageMs) / tickMs + ticks >= timeMs / tickMs
    }

    /// Counts `weight` at its own time.
    mutating func add(_ weight: UInt64, atMs timeMs: UInt64) {
        pairs.append(Pair(tick: timeMs / tickMs, weight: min(weight, Caps.exactInteger)))
        rebuild { $0 }
    }

    /// Merges the oldest pair into the next, at the later tick, until there are at most `count`.
    mutating func mergeOldest(toAtMost count: UInt64) {
        while UInt64(pairs.count) > count {
            let oldest = pairs.removeFirst()
            pairs[0].weight = Self.clampedSum(pairs[0].weight, oldest.weight)
        }
    }

    /// Takes away up to `weight` of what was counted at `timeMs`. What was merged since lies in the first pair, if the
    /// window still reaches it.
    mutating func takeBack(_ weight: UInt64, countedAtMs timeMs: UInt64, atMs now: UInt64) {
        guard let first = pairs.first, let last = pairs.last else { return }
        let tick = timeMs / tickMs
        let isExpired = max(now, last.tick * tickMs) / tickMs > tick + ticks
        let index: Int
        if let own = pairs.firstIndex(where: { $0.tick == tick }) {
            index = own
        } else if tick < first.tick, !isExpired {
            index = 0
        } else {
            return
        }
        pairs[index].weight -= min(weight, pairs[index].weight)
        if pairs[index].weight == 0 { pairs.remove(at: index) }
    }

    /// Gives every pair another tick, then puts the pairs in order and adds up those of one tick.
    private mutating func rebuild(tick: (UInt64) -> UInt64) {
        var weights: [UInt64: UInt64] = [:]
        for pair in pairs {
            weights[tick(pair.tick), default: 0] = Self.clampedSum(weights[tick(pair.tick), default: 0], pair.weight)
        }
        pairs = weights.map { Pair(tick: $0.key, weight: $0.value) }.sorted { $0.tick < $1.tick }
    }
}
