import NIOCore
import SluiceWire
import Testing

@testable import SluiceEngine

@Suite("The burst a connection to Redis begins with")
struct HandshakeTests {
    private static let role = "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"

    private static func info(_ lines: String...) -> String {
        let text = lines.joined(separator: "\r\n")
        return "$\(text.utf8.count)\r\n\(text)\r\n"
    }

    /// The handshake after these replies.
    private static func taking(_ replies: (Handshake.Step, String)...) -> Handshake {
        var handshake = Handshake(node: .tcp(host: "h", port: 1))
        let reader = ReplyReader()
        for (step, bytes) in replies {
            #expect(reader.read(ByteBuffer(string: bytes)) { handshake.take(step, $0) })
        }
        return handshake
    }

    @Test("What is said, in order, for each way of coming in")
    func burst() throws {
        func words(_ url: String) throws -> [String] {
            Handshake.burst(for: try RedisTarget(url: url), scripts: [[1], [2]]).map { _, command in
                command.map { $0.count == 1 ? "script" : String(decoding: $0, as: UTF8.self) }.joined(separator: " ")
            }
        }
        let rest = ["CLIENT SETNAME sluice", "INFO", "ROLE", "SCRIPT LOAD script", "SCRIPT LOAD script"]
        #expect(try words("redis://h") == rest)
        #expect(try words("redis://:pw@h/12") == ["AUTH pw", "SELECT 12"] + rest)
        #expect(try words("redis://me:pw@h/0") == ["AUTH me pw"] + rest)
    }

    @Test(
        "Old servers are refused by their version",
        arguments: [
            ("redis_version:6.2.14", "Redis 6.2.14 is too old: 7.0 or later is needed"), ("redis_version:7.0.0", nil),
            ("redis_version:10.1", nil), ("redis_version:", nil), ("redis_version:unstable", nil), ("other:1", nil),
            ("redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1", nil),
            (
                "redis_version:7.2.4\r\nvalkey_version:7.2.9",
                "Valkey 7.2.9 is too old: 8.0 or later is needed"
            ),
        ] as [(String, String?)])
    func version(_ text: String, _ refusal: String?) {
        #expect(Self.taking((.info, Self.info(text)), (.role, Self.role)).refusal?.reason == refusal)
    }

    @Test("Only a primary will do")
    func roles() {
        #expect(Self.taking((.role, Self.role)).refusal == nil)
        let replica = Self.taking((.role, "*5\r\n$5\r\nslave\r\n$1\r\nh\r\n:1\r\n$9\r\nconnected\r\n:1\r\n"))
        #expect(replica.refusal == .init(reason: "it is a replica", isReplica: true))
        let sentinel = Self.taking((.role, "*2\r\n$8\r\nsentinel\r\n*0\r\n"))
        #expect(sentinel.refusal == .init(reason: "it is a sentinel"))
    }

    @Test("A user who may not look at the server is let go on; any other error is a refusal, the first one counts")
    func errors() {
        let missing = Self.taking((.info, "-NOPERM no\r\n"), (.role, "-NOPERM no\r\n"), (.optional, "-ERR x\r\n"))
        #expect(missing.refusal == nil)
        #expect(missing.missingRights == ["INFO", "ROLE"])
        let wrong = Self.taking((.required("AUTH"), "-WRONGPASS w\r\n"), (.info, "-NOAUTH a\r\n"))
        #expect(wrong.refusal == .init(reason: "AUTH: WRONGPASS w"))
        let full = Self.taking((.optional, "-ERR max number of clients reached\r\n"))
        #expect(full.refusal == .init(reason: "ERR max number of clients reached"))
        let loading = Self.taking((.load(.decide), "-LOADING l\r\n"))
        #expect(loading.refusal == .init(reason: "SCRIPT LOAD: LOADING l"))
        let stale = Self.taking((.load(.decide), "-MASTERDOWN m\r\n"))
        #expect(stale.refusal == .init(reason: "SCRIPT LOAD: MASTERDOWN m", isReplica: true))
    }

    @Test("The digests are the scripts'")
    func digests() {
        let handshake = Self.taking((.load(.decide), "$1\r\na\r\n"), (.load(.undo), "$1\r\nb\r\n"))
        #expect(handshake.digests.prefix(2) == [Array("a".utf8), Array("b".utf8)])
    }

    @Test(
        "A server has lost its counters if it has none, or read none from its disk and was nobody's replica",
        arguments: [
            ("db0:keys=5,expires=5,avg_ttl=0", false), ("", true), ("db1:keys=5,expires=0", true),
            ("db0:keys=x", true), ("db0:keys=5\r\naof_enabled:0\r\nrdb_last_load_keys_loaded:0", true),
            ("db0:keys=5\r\naof_enabled:1\r\nrdb_last_load_keys_loaded:0", false),
            ("db0:keys=5\r\naof_enabled:0\r\nrdb_last_load_keys_loaded:4", false),
            ("db0:keys=5\r\naof_enabled:0\r\nrdb_last_load_keys_loaded:0\r\nmaster_replid2:0000", true),
            ("db0:keys=5\r\naof_enabled:0\r\nrdb_last_load_keys_loaded:0\r\nmaster_replid2:00a0", false),
        ])
    func lost(_ info: String, _ hasLost: Bool) {
        #expect(ServerInfo(info).hasLost(database: 0) == hasLost)
    }

    @Test("Only noeviction keeps counters when memory is full")
    func eviction() {
        #expect(ServerInfo("maxmemory_policy:allkeys-lru").evicts)
        #expect(ServerInfo("maxmemory_policy:volatile-ttl").evicts)
        #expect(!ServerInfo("maxmemory_policy:noeviction").evicts)
        #expect(!ServerInfo("").evicts)
    }
}
