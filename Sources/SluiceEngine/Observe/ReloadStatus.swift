/// How the limits file has fared since the service started: what `/readyz`, `sluice rules` and the metrics tell.
struct ReloadStatus: Sendable {
    enum Outcome: String, CaseIterable, Sendable {
        /// None was asked for.
        case none
        case ok
        case badFile = "bad_file"
        /// A guardrail of the rules in force refused it.
        case refused
    }

    /// Of the last reload.
    private(set) var outcome = Outcome.none
    /// Of the last reload, Unix time; 0: none.
    private(set) var atMs: UInt64 = 0
    /// Why the last reload left the rules as they were, a line each; empty when it did not.
    private(set) var errors: [String] = []
    private(set) var counts: [Outcome: UInt64] = [:]

    mutating func record(_ outcome: Outcome, errors: [String] = [], atMs: UInt64) {
        self.outcome = outcome
        self.errors = errors
        self.atMs = atMs
        counts[outcome, default: 0] += 1
    }
}
