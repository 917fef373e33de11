/// Why Redis gave no decision, by class, for metrics and for what is done next.
enum RedisFailure: String, Error, CaseIterable, Sendable {
    /// There is no connection.
    case disconnected
    /// The connection went while the run was out.
    case connectionLost = "connection_lost"
    /// The connection was given up while the run was out, for Redis owed replies and sent nothing.
    case stalled
    /// Redis has been late or has refused all work, and is given a rest.
    case heldOff = "held_off"
    /// No answer by the deadline.
    case timeout
    case noScript = "noscript"
    /// It is a replica.
    case readOnly = "readonly"
    case outOfMemory = "oom"
    case loading
    /// Somebody's script has been running for too long.
    case busy
    /// It cannot save to its disk.
    case misconfigured = "misconf"
    case noReplicas = "noreplicas"
    /// The user or the password is wrong, or the user may not do this.
    case denied = "noperm"
    case tooManyClients = "maxclients"
    case cluster
    /// An error of the script itself, or one without a row in `ErrorReply`.
    case other
    /// A reply that is not the script's.
    case malformed
    /// A cell of another version, or a key of another type.
    case unreadable

    /// Whether Redis as a whole refuses such work now, so that the next run would fare no better.
    var holdsOff: Bool {
        switch self {
        case .readOnly, .outOfMemory, .loading, .busy, .misconfigured, .noReplicas, .denied, .tooManyClients, .cluster:
            true
        case .disconnected, .heldOff, .connectionLost, .stalled, .timeout, .noScript, .other, .malformed, .unreadable:
            false
        }
    }
}
