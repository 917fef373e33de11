import Histogram

/// What a load counted between warm-up and end.
struct LoadTally: Sendable {
    /// Answers of any kind.
    var decisions: UInt64 = 0
    /// Verdicts of deny by a limit.
    var refused: UInt64 = 0
    /// Answers out of the service's memory of refusals.
    var fromCache: UInt64 = 0
    /// Decisions that the work does not lead to: a standard request refused, or a spent one allowed.
    var wrongVerdicts: UInt64 = 0
    /// Answers by the policy for when Redis does not answer.
    var fallbacks: UInt64 = 0
    /// Responses with another status than ok, and what is no response.
    var errors: UInt64 = 0
    /// Requests that were due and could not be sent: each connection had all it may have unanswered.
    var unsent: UInt64 = 0
    /// Requests without an answer by the end of the patience for it.
    var unanswered: UInt64 = 0
    /// In ns, from when the request was due. One not sent, or not answered, counts with what it had waited by the end.
    var latencies = Histogram<UInt32>(highestTrackableValue: longestLatencyNs)
    /// Why a connection ended before it was told to.
    var problem: String?

    static let longestLatencyNs: UInt64 = 3_700_000_000_000

    var exceptions: UInt64 { wrongVerdicts + fallbacks + errors + unanswered }

    mutating func add(_ other: LoadTally) {
        decisions += other.decisions
        refused += other.refused
        fromCache += other.fromCache
        wrongVerdicts += other.wrongVerdicts
        fallbacks += other.fallbacks
        errors += other.errors
        unsent += other.unsent
        unanswered += other.unanswered
        latencies.add(other.latencies)
        problem = problem ?? other.problem
    }

    mutating func record(ns: Int64) {
        latencies.record(min(UInt64(max(ns, 0)), Self.longestLatencyNs))
    }
}
