import NIOCore

/// How many counter uses a run may carry so that it holds Redis for a bounded time: learned from the pace at which
/// replies come while Redis has always another run to go on with.
///
/// No clock and no timer: who reads replies tells it when.
struct RunPace {
    /// A run is to hold Redis for about this long at most.
    static let longestRunNs: Double = 300_000
    /// What one use of a counter is taken to cost Redis, in ns, whatever was measured: a stall teaches nothing, nor does a
    /// loop that was late to read, nor a Redis whose time others take. Smaller runs would cost all of them more.
    static let believable = 1_000.0...4_000.0
    /// So many uses make one lesson, for replies may come two at a time.
    private static let lesson = 256
    /// Of a lesson, the part that is taken over.
    private static let weight = 0.125

    private(set) var nsPerCell = 3_000.0
    /// Since when Redis has had something to do without a pause, and uses answered since then.
    private var busySince: NIODeadline?
    private var cells = 0

    /// Uses of counters in one run at most, reached by its last request.
    var cellsPerRun: Int { Int(Self.longestRunNs / nsPerCell) }

    /// A run of `count` counter uses was answered.
    ///
    /// - Parameter isBusy: whether Redis has another run.
    mutating func answered(cells count: Int, at now: NIODeadline, isBusy: Bool) {
        defer {
            if !isBusy { busySince = nil }
        }
        guard let since = busySince else {
            (busySince, cells) = (now, 0)
            return
        }
        cells += count
        guard isBusy, cells >= Self.lesson else { return }
        let measured = Double((now - since).nanoseconds) / Double(cells)
        let believed = min(max(measured, Self.believable.lowerBound), Self.believable.upperBound)
        nsPerCell += (believed - nsPerCell) * Self.weight
        (busySince, cells) = (now, 0)
    }

    /// What was out will not be answered.
    mutating func pause() { busySince = nil }
}
