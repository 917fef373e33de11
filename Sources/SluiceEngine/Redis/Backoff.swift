import NIOCore

/// Exponential backoff with full jitter: a random time up to a bound that grows by a tenth
/// (Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015).
///
/// It grows slowly on purpose. After an outage of a time T, whose attempts fail at once, the bound is about 0.2 T: a
/// Redis that was away for a few seconds is found again within one.
struct Backoff {
    /// The bound of the first attempt's wait.
    var initial: TimeAmount = .milliseconds(100)
    /// By what the bound grows with each attempt.
    var growth = 1.1
    /// The bound never grows beyond this.
    var longest: TimeAmount = .seconds(5)
    /// A Redis that answers, but will not serve, is asked again after this at the earliest.
    var refused: TimeAmount = .seconds(1)

    /// - Parameters:
    ///   - attempt: failures in a row, from 1.
    ///   - isRefused: whether Redis said that it will not serve.
    func delay(attempt: Int, isRefused: Bool = false) -> TimeAmount {
        var bound = Double(initial.nanoseconds)
        let most = Double(longest.nanoseconds)
        for _ in 1..<min(max(attempt, 1), 1_000) where bound < most { bound *= growth }
        let wait = Int64.random(in: 0...Int64(min(bound, most)))
        guard isRefused else { return .nanoseconds(wait) }
        return refused + .nanoseconds(min(wait, initial.nanoseconds))
    }
}
