import SluiceModel

/// A block that a limit with `block_for` started: until when its tuple stays under the limit's verdict, and how far the
/// limit has escalated. It is remembered when it is over, because the next one depends on it.
struct Block: Hashable, Sendable {
    /// Which of the limit's steps it is, from 1.
    var step: Int
    var untilMs: UInt64
    /// How long it was made to last.
    var lengthMs: UInt64

    /// The block that follows `last`, if there was one: the next step, one lower for each quiet period as long as the
    /// step just served.
    ///
    /// - Parameter steps: the lengths of the limit's steps in ms; at least one.
    init(steps: [UInt64], after last: Block?, atMs now: UInt64) {
        step = min(steps.count, (last?.level(atMs: now, of: steps.count) ?? 0) + 1)
        lengthMs = steps[step - 1]
        untilMs = now + lengthMs
    }

    func isRunning(atMs now: UInt64) -> Bool { now < untilMs }

    /// 0 once it is over.
    func leftMs(from now: UInt64) -> UInt64 { isRunning(atMs: now) ? untilMs - now : 0 }

    /// The step that it still stands for once it is over.
    private func level(atMs now: UInt64, of count: Int) -> Int {
        let quietPeriods = (now - untilMs) / lengthMs
        return quietPeriods >= UInt64(step) ? 0 : min(step - Int(quietPeriods), count)
    }

    /// Whether it lasts longer than any block that started by now: the clock was set back since.
    func isStep(atMs now: UInt64) -> Bool { untilMs > now + lengthMs + 1_000 }

    /// Lets it last as long as if it started now.
    mutating func restart(atMs now: UInt64) { untilMs = now + lengthMs }
}
