import NIOCore

/// Exponential backoff with full jitter: a random time up to a bound that doubles
/// (Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015).
struct Backoff {
    /// The bound of the first attempt's wait.
    var initial: TimeAmount = .milliseconds(100)
    /// The bound never grows beyond this.
    var longest: TimeAmount = .seconds(5)

    /// - Parameter attempt: failures in a row, from 1.
    func delay(attempt: Int) -> TimeAmount {
        let doublings = min(max(attempt - 1, 0), 16)
        let bound = min(initial.nanoseconds << doublings, longest.nanoseconds)
        return .nanoseconds(Int64.random(in: 0...bound))
    }
}
