import SluiceWire

/// What an error reply of Redis says about the run it answers, and what to do about it.
struct ErrorReply: Equatable {
    enum Remedy: Equatable {
        case none
        /// Give Redis the scripts again, then send the run again.
        case reloadScripts
        /// This connection leads to the wrong server, or is not let in: find the primary and begin anew.
        case reconnect
        /// Leave Redis alone, but for a probe a second.
        case backOff
        /// Ask another node, or the same in another way.
        case follow
    }

    var outcome: RunOutcome
    var remedy: Remedy

    /// By the first word of the error.
    ///
    /// Redis refuses with these before a script's first line, or, for a script without a declaration of its flags, at
    /// its first write: `scriptVerifyWriteCommandAllow` (script.c) looks at the server's state until then and not
    /// afterwards. So nothing was written.
    private static let rows: [Substring: ErrorReply] = [
        "NOSCRIPT": ErrorReply(.noScript, .reloadScripts),
        "READONLY": ErrorReply(.readOnly, .reconnect),
        "MASTERDOWN": ErrorReply(.readOnly, .reconnect),
        // The server turned from primary to replica while the run was held back by CLIENT PAUSE.
        "UNBLOCKED": ErrorReply(.readOnly, .reconnect),
        "OOM": ErrorReply(.outOfMemory, .backOff),
        "LOADING": ErrorReply(.loading, .backOff),
        "BUSY": ErrorReply(.busy, .backOff),
        "MISCONF": ErrorReply(.misconfigured, .backOff),
        "NOREPLICAS": ErrorReply(.noReplicas, .backOff),
        "NOPERM": ErrorReply(.denied, .backOff),
        "NOAUTH": ErrorReply(.denied, .reconnect),
        "WRONGPASS": ErrorReply(.denied, .reconnect),
        // Protected mode: a Redis without a password that is reached from another machine.
        "DENIED": ErrorReply(.denied, .reconnect),
        "TRYAGAIN": ErrorReply(outcome: .redirected(.tryAgain), remedy: .follow),
        "CLUSTERDOWN": ErrorReply(outcome: .redirected(.clusterDown), remedy: .follow),
        "CROSSSLOT": ErrorReply(outcome: .redirected(.crossSlot), remedy: .follow),
        "EXECABORT": ErrorReply(.other, .none),
        // What SCRIPT KILL says of a script that has written.
        "UNKILLABLE": ErrorReply(outcome: .unknown(.busy), remedy: .backOff),
    ]

    /// Errors whose first word is `ERR`, by what they say somewhere.
    private static let phrases: [(String, ErrorReply)] = [
        ("max number of clients", ErrorReply(.tooManyClients, .reconnect)),
        // A script reads all of its keys before it writes the first, and a node serves them all that while or does not.
        (
            "Script attempted to access a non local key",
            ErrorReply(outcome: .redirected(.crossSlot), remedy: .follow)
        ),
        (
            "Script attempted to access keys that do not hash to the same slot",
            ErrorReply(outcome: .redirected(.crossSlot), remedy: .follow)
        ),
        // Redis refuses to kill (UNKILLABLE) a script that has written.
        ("Script killed by user", ErrorReply(.busy, .backOff)),
    ]

    private init(outcome: RunOutcome, remedy: Remedy) {
        self.outcome = outcome
        self.remedy = remedy
    }

    private init(_ failure: RedisFailure, _ remedy: Remedy) {
        self.init(outcome: .notExecuted(failure), remedy: remedy)
    }

    /// - Parameters:
    ///   - text: the error, without the `-` in front.
    ///   - node: who said so.
    init(_ text: String, from node: Endpoint) {
        let word = text.prefix { $0 != " " }
        let rest = text[word.endIndex...].drop { $0 == " " }
        switch word {
        case "MOVED", "ASK":
            guard let (slot, endpoint) = Redirect.destination(rest, from: node) else {
                self.init(.cluster, .backOff)
                return
            }
            let redirect = word == "ASK" ? Redirect.ask(slot: slot, endpoint) : .moved(slot: slot, endpoint)
            self.init(outcome: .redirected(redirect), remedy: .follow)
        case "ERR": self = Self.phrases.first { rest.contains($0.0) }?.1 ?? Self.unknown
        default: self = Self.rows[word] ?? Self.unknown
        }
    }

    private static let unknown = ErrorReply(outcome: .unknown(.other), remedy: .none)
}
