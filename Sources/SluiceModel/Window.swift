/// How one counter cuts time: tick k = floor(t / tickMs), and a pair at tick k counts while
/// floor(t / tickMs) <= k + ticks.
public struct Resolution: Hashable, Sendable {
    /// Tick length s in ms; 1 for an exact log.
    public var tickMs: UInt64
    /// n = ceil(W / s).
    public var ticks: UInt64

    /// The resolution of a counter over `windowMs` whose largest applying maximum is `largestMax`.
    public init(windowMs: UInt64, largestMax: UInt64, exactUpTo: UInt64, slices: Int) {
        if largestMax <= exactUpTo {
            self.init(windowMs: windowMs, tickMs: 1)
        } else {
            let slices = UInt64(slices)
            self.init(windowMs: windowMs, tickMs: (windowMs + slices - 1) / slices)
        }
    }

    /// A window read with a tick length that a counter brought along.
    public init(windowMs: UInt64, tickMs: UInt64) {
        self.tickMs = tickMs
        self.ticks = (windowMs + tickMs - 1) / tickMs
    }

    public var isExact: Bool { tickMs == 1 }
}
