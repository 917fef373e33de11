/// What became of a script run that Redis did not answer.
enum RunOutcome: Sendable, Equatable {
    /// Redis certainly did not run it.
    case notExecuted(RedisFailure)
    /// It may or may not have run; it is never sent again.
    case unknown(RedisFailure)
}

/// Why Redis gave no decision, by class, for metrics and for what is done next.
enum RedisFailure: String, Error, CaseIterable, Sendable {
    /// There is no connection.
    case disconnected
    /// The connection went while the run was out.
    case connectionLost = "connection_lost"
    /// No answer by the deadline.
    case timeout
    case noScript = "noscript"
    case readOnly = "readonly"
    case outOfMemory = "oom"
    case loading
    case busy
    case misconfigured = "misconf"
    case noReplicas = "noreplicas"
    case denied = "noperm"
    case cluster
    /// An error of the script itself, or one without a row here.
    case other
    /// A reply that is not the script's.
    case malformed
    /// A cell of another version, or a key of another type.
    case unreadable

    /// Reads the first word of an error reply. What Redis refuses before a script's first line was not executed.
    static func classify(_ error: String) -> RunOutcome {
        switch error.prefix(while: { $0 != " " }) {
        case "NOSCRIPT": .notExecuted(.noScript)
        case "READONLY": .notExecuted(.readOnly)
        case "OOM": .notExecuted(.outOfMemory)
        case "LOADING": .notExecuted(.loading)
        case "BUSY": .notExecuted(.busy)
        case "MISCONF": .notExecuted(.misconfigured)
        case "NOREPLICAS": .notExecuted(.noReplicas)
        case "NOAUTH", "NOPERM", "WRONGPASS": .notExecuted(.denied)
        case "MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "CROSSSLOT", "MASTERDOWN": .notExecuted(.cluster)
        default: .unknown(.other)
        }
    }
}
