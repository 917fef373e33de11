import Foundation
import Testing

/// The real programs against each other, a service of its own for each test.
@Suite(.serialized) struct ServiceTests {
    private static let limits = """
        version: 1
        rules:
          - name: logins
            check: login
            per: [user]
            limits:
              - { max: 1, window: 10m, verdict: review }
              - { max: 2, window: 10m, verdict: challenge }
              - { max: 3, window: 10m }
          - name: failures
            check: login
            count: login.failed
            per: [user]
            limits: [ { max: 2, window: 1d } ]
          - name: pairs
            check: login
            per: [device, user]
            limits: [ { max: 100, window: 1m } ]

        """

    @Test("The ready line names every address, and SIGTERM ends the service and its Redis at once")
    func lifecycle() throws {
        let service = try RunningService(limits: Self.limits)
        let words = service.readyLine.split(separator: " ").map { $0.split(separator: "=").first.map(String.init) }
        #expect(words == ["ready", "data", "admin", "http", "redis", "generation"])
        #expect(service.address("redis") == "embedded")
        #expect(service.address("generation") == "1")
        #expect(kill(service.redisPID, 0) == 0)

        let start = ContinuousClock.now
        let end = service.stop()
        #expect(end.reason == .exit)
        #expect(end.status == 0)
        #expect(ContinuousClock.now - start < .seconds(4))
        #expect(kill(service.redisPID, 0) != 0)
    }

    @Test("The exit status of a check is its verdict")
    func verdicts() throws {
        let service = try RunningService(limits: Self.limits)
        let outcomes = try (0..<4).map { _ in try service.sluice("check", "login", "user=u1") }
        #expect(outcomes.map(\.status) == [0, 10, 11, 12])
        #expect(outcomes.map { $0.outputLines.first } == ["allow", "review", "challenge", "deny"])
        #expect(outcomes.allSatisfy { !$0.output.contains("\u{1B}") && $0.errors.isEmpty })
        #expect(outcomes[3].outputLines.contains { $0.hasPrefix("retry after ") })

        let json = try service.sluice("check", "login", "user=u1", "--json")
        #expect(json.status == 12)
        let decision = try json.json()
        #expect(decision["verdict"] == "deny")
        // Soon after the last refusal, or not.
        #expect(decision["basis"] == "cache" || decision["basis"] == "redis")
        #expect(decision["trips"]?.count == 3)
        #expect(decision["trips"]?[2]?["used"] == 3)
        #expect(json.outputLines.count == 1)
    }

    @Test("A peek counts nothing, a record judges nothing, and a cost weighs")
    func modes() throws {
        let service = try RunningService(limits: Self.limits)
        for _ in 0..<3 { #expect(try service.sluice("check", "login", "user=u1", "--peek").status == 0) }
        #expect(try service.sluice("check", "login", "user=u1", "--cost", "4").status == 12)
        for _ in 0..<3 {
            #expect(try service.sluice("check", "login.failed", "user=u1", "--record", "--age", "1h").status == 0)
        }
        let denied = try service.sluice("check", "login", "user=u1", "--json").json()
        #expect(denied["verdict"] == "deny")
        #expect(denied["trips"]?[0]?["rule"] == "failures")
        #expect(denied["trips"]?[0]?["used"] == 3)
    }

    @Test("Inspect shows every limit of the entities given, and reset forgets exactly their tuple")
    func inspectAndReset() throws {
        let service = try RunningService(limits: Self.limits)
        for device in ["d1", "d2"] {
            _ = try service.sluice("check", "login", "user=u1", "device=\(device)")
        }
        let usage = try service.sluice("inspect", "user=u1", "--json").json()
        #expect(usage.keys == ["generation", "listings", "usages"])
        #expect(usage["usages"]?.count == 4)
        #expect(
            usage["usages"]?[0]?.keys == [
                "block_step", "blocked_ms", "limit", "max", "measure", "per", "reset_ms", "rule", "shadow", "used",
                "verdict", "window_ms",
            ])
        #expect(usage["usages"]?[0]?["per"] == .object(["user": "u1"]))
        #expect(usage["usages"]?[0]?["used"] == 2)
        let table = try service.sluice("inspect", "user=u1", "device=d2").outputLines
        #expect(table.count == 7)
        #expect(table[5].contains("1/100  [#-----------]   1%"))

        #expect(try service.sluice("reset", "user=u1", "--rule", "failures", "--json").output == "{\"removed\": 0}\n")
        #expect(try service.sluice("reset", "user=u1").output == "forgot 1 counter of user=u1\n")
        #expect(try service.sluice("reset", "user=u1").output == "nothing was counted for exactly user=u1\n")
        let after = try service.sluice("inspect", "user=u1", "device=d2", "--json").json()
        #expect(after["usages"]?[0]?["used"] == 0)
        #expect(after["usages"]?[4]?["used"] == 1)
    }

    @Test("Redis holds one hash per entity tuple, one field per rule and window, and nothing a value can break")
    func hashes() throws {
        let service = try RunningService(limits: Self.limits)
        for user in ["u1", "u 2}", "ü"] {
            _ = try service.sluice("check", "login", "user=\(user)")
            _ = try service.sluice("check", "login.failed", "user=\(user)", "--record")
        }
        #expect(
            try service.redis("keys", "sluice1:{*").sorted()
                == ["sluice1:{user=%C3%BC}", "sluice1:{user=u%202%7D}", "sluice1:{user=u1}"])
        #expect(try service.redis("hkeys", "sluice1:{user=u1}").sorted() == ["failures/86400000", "logins/600000"])
        let ttl = try #require(Int(try service.redis("pttl", "sluice1:{user=u1}")[0]))
        #expect((86_000_000...87_000_000).contains(ttl))
    }

    @Test("Rules tells what is in force, in words, in JSON and as the file itself")
    func rules() throws {
        let service = try RunningService(limits: Self.limits)
        let words = try service.sluice("rules").outputLines
        #expect(words[0] == "generation  1")
        #expect(words.contains { $0.hasPrefix("failures  login  login.failed  user") })
        let json = try service.sluice("rules", "--json").json()
        #expect(json["generation"] == 1)
        #expect(json["last_error"] == nil as JSONValue)
        #expect(json["rules"]?[0]?["limits"]?.count == 3)
        #expect(try service.sluice("rules", "--yaml").output == Self.limits)
    }

    @Test("Stats count decisions")
    func stats() throws {
        let service = try RunningService(limits: Self.limits)
        for _ in 0..<3 { _ = try service.sluice("check", "login", "user=u1", "--peek") }
        let stats = try service.sluice("stats", "--json").json()
        #expect(stats["stats"]?[#"sluice_decisions_total{basis="redis",verdict="allow"}"#] == 3)
        #expect(try service.sluice("stats").outputLines[0].hasPrefix("NAME"))
    }

    @Test("What the service refuses is bad data, and a listener of the wrong kind is no server")
    func refusals() throws {
        let service = try RunningService(limits: Self.limits)
        let value = String(repeating: "v", count: 257)
        let tooLong = try service.sluice("check", "login", "user=\(value)")
        #expect(tooLong.status == 65)
        #expect(tooLong.errorLines.count == 1)
        #expect(!tooLong.errors.contains(value))
        let wrong = try service.sluice("inspect", "user=u1", "--admin", service.address("data"))
        #expect(wrong.status == 69)
        #expect(wrong.errors.contains(service.address("data")))
    }

    @Test("A client in another language, 64 requests in flight, gets right answers")
    func pythonClient() throws {
        let service = try RunningService(limits: Self.limits)
        let script = Program.fixtures.appendingPathComponent("protocol_client.py").path
        let arguments = ["--action", "login", "--entity", "user=u1", "--count", "64", "--deadline-ms", "1000"]
        let outcome = try python().run([script, service.address("data")] + arguments)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let answers = try outcome.outputLines.map { try JSONValue($0) }
        let verdicts = answers.compactMap { $0["verdict"] }
        #expect(verdicts == ["allow", "review", "challenge"] + Array(repeating: "deny", count: 61))
    }
}

/// Python with what the fixtures need.
func python(needing modules: String...) throws -> Program {
    guard let python = Program.onPath("python3") else {
        throw RunningService.DidNotStart(description: "python3 is missing: apt-get install python3")
    }
    for module in modules where try python.run(["-c", "import \(module)"]).status != 0 {
        throw RunningService.DidNotStart(
            description:
                "python3 has no module \(module): apt-get install python3-\(module), or pip install py\(module)")
    }
    return python
}
