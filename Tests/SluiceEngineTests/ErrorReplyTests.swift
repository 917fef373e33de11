import SluiceWire
import Testing

@testable import SluiceEngine

@Suite("What an error of Redis says of the run, and what is done about it")
struct ErrorReplyTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var text: String
        var outcome: RunOutcome
        var remedy: ErrorReply.Remedy
        var testDescription: String { text }

        init(_ text: String, _ outcome: RunOutcome, _ remedy: ErrorReply.Remedy) {
            self.text = text
            self.outcome = outcome
            self.remedy = remedy
        }
    }

    private static func node(_ host: String, _ port: Int) -> Endpoint { .tcp(host: host, port: port) }

    static let rows = [
        Row("NOSCRIPT No matching script. Please use EVAL.", .notExecuted(.noScript), .reloadScripts),
        Row("READONLY You can't write against a read only replica.", .notExecuted(.readOnly), .reconnect),
        Row(
            "READONLY You can't write against a read only replica. script: 1f, on @user_script:1.",
            .notExecuted(.readOnly), .reconnect),
        Row("MASTERDOWN Link with MASTER is down", .notExecuted(.readOnly), .reconnect),
        Row("UNBLOCKED force unblock from blocking operation", .notExecuted(.readOnly), .reconnect),
        Row("OOM command not allowed when used memory > 'maxmemory'.", .notExecuted(.outOfMemory), .backOff),
        Row("LOADING Redis is loading the dataset in memory", .notExecuted(.loading), .backOff),
        Row("BUSY Redis is busy running a script.", .notExecuted(.busy), .backOff),
        Row("MISCONF Redis is configured to save RDB snapshots", .notExecuted(.misconfigured), .backOff),
        Row("NOREPLICAS Not enough good replicas to write.", .notExecuted(.noReplicas), .backOff),
        Row("NOPERM this user has no permissions", .notExecuted(.denied), .backOff),
        Row("NOAUTH Authentication required.", .notExecuted(.denied), .reconnect),
        Row("WRONGPASS invalid username-password pair", .notExecuted(.denied), .reconnect),
        Row("DENIED Redis is running in protected mode", .notExecuted(.denied), .reconnect),
        Row("ERR max number of clients reached", .notExecuted(.tooManyClients), .reconnect),
        Row(
            "ERR max number of clients + cluster connections reached", .notExecuted(.tooManyClients), .reconnect),
        Row("EXECABORT Transaction discarded", .notExecuted(.other), .none),
        Row("UNKILLABLE Sorry the script already executed write commands", .unknown(.busy), .backOff),
        Row(
            "ERR Error running script (call to f_1): @user_script:1: Script killed by user with SCRIPT KILL...",
            .notExecuted(.busy), .backOff),
        Row("MOVED 3999 127.0.0.1:6381", .redirected(.moved(slot: 3_999, node("127.0.0.1", 6_381))), .follow),
        Row("MOVED 0 ::1:6381", .redirected(.moved(slot: 0, node("::1", 6_381))), .follow),
        Row("MOVED 16383 :6381", .redirected(.moved(slot: 16_383, node("here", 6_381))), .follow),
        Row("ASK 12 ?:6381", .redirected(.ask(slot: 12, node("here", 6_381))), .follow),
        Row("ASK 12 other.host:1", .redirected(.ask(slot: 12, node("other.host", 1))), .follow),
        Row("TRYAGAIN Multiple keys request during rehashing of slot", .redirected(.tryAgain), .follow),
        Row("CLUSTERDOWN The cluster is down", .redirected(.clusterDown), .follow),
        Row("CLUSTERDOWN Hash slot not served", .redirected(.clusterDown), .follow),
        Row("CROSSSLOT Keys in request don't hash to the same slot", .redirected(.crossSlot), .follow),
        Row(
            "ERR Script attempted to access a non local key in a cluster node script: 1f, on @user_script:1.",
            .redirected(.crossSlot), .follow),
        Row(
            "ERR Error running script (call to f_1): @user_script:1: Script attempted to access a non local key in a "
                + "cluster node", .redirected(.crossSlot), .follow),
        Row(
            "ERR Script attempted to access keys that do not hash to the same slot", .redirected(.crossSlot), .follow),
        Row("ERR user_script:1: attempt to index a nil value", .unknown(.other), .none),
        Row("WRONGTYPE Operation against a key", .unknown(.other), .none), Row("", .unknown(.other), .none),
        Row("WHATEVER", .unknown(.other), .none), Row("noscript", .unknown(.other), .none),
        Row("OOMX", .unknown(.other), .none), Row("ERR", .unknown(.other), .none),
    ]

    @Test("Its first word, or its phrase, has a row", arguments: rows)
    func classify(_ row: Row) {
        let error = ErrorReply(row.text, from: Self.node("here", 7_000))
        #expect(error.outcome == row.outcome)
        #expect(error.remedy == row.remedy)
    }

    @Test(
        "A redirect to nowhere is none",
        arguments: [
            "", " 1", " 1 ", " 1 host", " 1 host:", " 1 host:0", " 1 host:65536", " 16384 host:1", " -1 host:1",
            " +1 host:1", " 99999999999999999999 host:1", " 1 host:99999999999999999999", " x host:1",
        ])
    func badRedirect(_ rest: String) {
        for word in ["MOVED", "ASK"] {
            #expect(ErrorReply(word + rest, from: Self.node("here", 7_000)).outcome == .notExecuted(.cluster))
        }
        #expect(ErrorReply("MOVED 1 :1", from: .unix(path: "/s")).outcome == .notExecuted(.cluster))
    }

    @Test("A breaker opens at once for what the next run would meet too")
    func holdsOff() {
        let whole: [RedisFailure] = [
            .readOnly, .outOfMemory, .loading, .busy, .misconfigured, .noReplicas, .denied, .tooManyClients, .cluster,
        ]
        #expect(RedisFailure.allCases.filter(\.holdsOff) == whole)
        for row in Self.rows where row.remedy == .backOff {
            guard case .notExecuted(let failure) = row.outcome else { continue }
            #expect(failure.holdsOff, "\(row.text)")
        }
    }
}
