import Foundation
import TestSupport
import Testing

@Suite("A Redis with the configuration and the users of deploy/redis", .timeLimit(.minutes(2)))
struct DeployRedisTests {
    private static let limits = """
        version: 1
        rules:
          - { name: a, check: a, per: [user], limits: [ { max: 2, window: 1m }, { max: 90, window: 1h } ] }
          - { name: b, check: a, per: [user], limits: [ { max: 9, window: 1m } ] }

        """
    private static let hash = "#" + String(repeating: "0", count: 64)

    /// A `redis-server` of this test's own, ended with it.
    private final class Server {
        let folder: TemporaryFolder
        var socket: String { folder.url.appendingPathComponent("redis.sock").path }
        private let process: Process

        init() throws {
            folder = try TemporaryFolder()
            let users = try folder.file(
                "users.acl", try DeployedFiles.text("deploy/redis/users.acl").replacing(hash, with: ">secret"))
            let server = try DeployedFiles.required("redis-server", package: "redis-server")
            process = server.process(
                [
                    DeployedFiles.path("deploy/redis/redis.conf"), "--port", "0", "--unixsocket",
                    folder.url.appendingPathComponent("redis.sock").path, "--dir", folder.url.path, "--aclfile", users,
                    "--logfile", folder.url.appendingPathComponent("log").path,
                ], environment: [:])
            try process.run()
            for _ in 0..<1_000 where process.isRunning && !FileManager.default.fileExists(atPath: socket) {
                usleep(10_000)
            }
        }

        deinit {
            // Not SIGTERM: a child inherits the blocked signals of the thread that starts it.
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
        }

        func connection(_ user: String) throws -> RedisConnection {
            let connection = try RedisConnection(socket: socket)
            try #require(try connection.command("AUTH", user, "secret").string == "OK")
            return connection
        }
    }

    @Test("A service that comes as its user decides, records windows, inspects, resets and reloads")
    func service() async throws {
        let redis = try Server()
        let service = try await ServiceProcess.start(
            limits: Self.limits, redis: "unix://sluice:secret@\(redis.socket)?db=1")
        func sluice(_ arguments: String...) throws -> Program.Outcome {
            let addresses = ["SLUICE_SERVER": service.address("data"), "SLUICE_ADMIN": service.address("admin")]
            return try Program.sluice.run(arguments, environment: addresses)
        }
        let verdicts = try (0..<3).map { _ in
            let answer = try sluice("check", "a", "user=u", "--json", "--deadline", "1s").json()
            #expect(answer["basis"] == "redis")
            return answer["verdict"]
        }
        #expect(verdicts == ["allow", "allow", "deny"])
        #expect(try sluice("inspect", "user=u", "--json").json()["usages"]?[0]?["used"] == 2)
        // A window that comes new starts from the old one's, and a rule that goes leaves a field to be swept away.
        let edited = Self.limits.replacing("window: 1m }, {", with: "window: 5m }, {").replacing(
            "name: b", with: "name: c")
        try Data(edited.utf8).write(to: URL(fileURLWithPath: "\(service.folder)/limits.yaml"))
        #expect(try sluice("reload").status == 0)
        let after = try sluice("check", "a", "user=u", "--json", "--deadline", "1s").json()
        #expect(after["basis"] == "redis")
        #expect(after["verdict"] == "deny")
        #expect(try sluice("reset", "user=u", "--rule", "a").status == 0)
        #expect(try sluice("reset", "user=u").status == 0)
        #expect(try sluice("check", "a", "user=u", "--deadline", "1s").status == 0)
        #expect(try sluice("block", "user=u", "--for", "1h").status == 0)
        #expect(try sluice("check", "a", "user=u", "--deadline", "1s").status == 12)
        #expect(try sluice("allow", "user=u").status == 0)
        #expect(try sluice("unblock", "user=u").status == 0)
        #expect(try sluice("listings", "--json").output == "{\"listings\": []}\n")

        for repeats in [false, true] {
            let answer = try sluice("check", "a", "user=v", "--event-id", "e", "--json", "--deadline", "1s").json()
            #expect(answer["basis"] == "redis" && answer["duplicate"] == .bool(repeats))
        }
        #expect(try sluice("undo", "a", "user=v", "--event-id", "e").output == "taken back\n")
        #expect(try sluice("inspect", "user=v", "--json").json()["usages"]?[0]?["used"] == 0)

        let log = try redis.connection("admin").command("ACL", "LOG")
        #expect(log.elements.isEmpty, "refused to the service: \(log)")
        let failures = try sluice("stats", "--json").json()["stats"]
        #expect(failures?.keys.filter { $0.hasPrefix("sluice_redis_failures_total") && failures?[$0] != 0 } == [])
    }

    @Test("Its user may do nothing else, and nobody comes in without a password")
    func refusals() throws {
        let redis = try Server()
        let sluice = try redis.connection("sluice")
        for command in [
            "FLUSHALL", "FLUSHDB", "KEYS *", "SCAN 0", "CONFIG GET *", "CONFIG SET save x", "ACL LIST", "SHUTDOWN",
            "MONITOR", "SCRIPT FLUSH", "SCRIPT KILL", "CLIENT LIST", "CLIENT KILL ID 1", "SAVE",
            "REPLICAOF localhost 1", "MODULE LIST", "GET other", "SET other 1", "FUNCTION FLUSH",
            "HSET other a 1", "DEL other", "HGETALL other", "PUBLISH c m",
        ] {
            let reply = try sluice.command(command.split(separator: " ").map { Array($0.utf8) })
            guard case .error(let text) = reply else {
                Issue.record("\(command) was done: \(reply)")
                continue
            }
            #expect(text.hasPrefix("NOPERM"), "\(command): \(text)")
        }
        let scripted = try sluice.command("EVAL", "return redis.call('FLUSHALL')", "0")
        // Redis 7.0 and later ones word it differently.
        if case .error(let text) = scripted { #expect(text.contains("can't run this command")) } else { Issue.record() }
        let stranger = try RedisConnection(socket: redis.socket)
        #expect(try stranger.command("PING") == .error("NOAUTH Authentication required."))
    }

    @Test("What it says about memory, persistence and latency is in force")
    func configuration() throws {
        let redis = try Server()
        let admin = try redis.connection("admin")
        for (name, value) in [
            "maxmemory-policy": "noeviction", "appendonly": "yes", "appendfsync": "everysec", "save": "",
            "timeout": "0", "protected-mode": "yes", "hash-max-listpack-value": "64", "hz": "100",
            "maxmemory": "2147483648",
        ] {
            #expect(try admin.command("CONFIG", "GET", name).elements.last?.string == value, "\(name)")
        }
    }

    @Test("The passwords of the file are nobody's")
    func passwords() throws {
        let lines = try DeployedFiles.text("deploy/redis/users.acl").split(separator: "\n")
        #expect(lines.count == 3)
        #expect(lines.allSatisfy { !$0.contains(">") && !$0.contains("nopass") })
        #expect(lines.filter { $0.contains(" on ") }.allSatisfy { $0.contains(Self.hash) })
    }
}
