import Foundation
import Testing

/// What needs no service.
@Suite struct CommandLineTests {
    @Test(
        "Wrong usage exits 64 and says so on the standard error",
        arguments: [
            ["bogus"], ["check"], ["check", "login", "user"], ["check", "login", "User=x"], ["check", "login", "=x"],
            ["check", "login", "user=a", "user=b"], ["check", "login", "--cost", "0"],
            ["check", "login", "--cost", "2147483648"], ["check", "login", "--amount", "9007199254740992"],
            ["check", "login", "--amount", "-1"], ["check", "login", "--peek", "--record"],
            ["check", "login", "--age", "1h"], ["check", "login", "--deadline", "soon"],
            ["check", "login", "--deadline", "0ms"],
            ["check", "login", "--event-id", String(repeating: "e", count: 65)],
            ["check", String(repeating: "a", count: 65)], ["check", "login", "--server", "nowhere"], ["reset"],
            ["inspect", "user=a", "--admin", "unix:"], ["config", "check"], ["replay", "events"],
            ["bench", "--seconds", "0"], ["check", "login", "--watch", "--record"],
            ["check", "login", "--every", "1s"],
            ["inspect", "user=a", "--watch", "--every", "99ms"], ["top", "--by", "loud"], ["top", "--count", "0"],
            ["top", "--count", "101"], ["top", "--dimension", "User"], ["rules", "--yaml", "--watch"],
        ])
    func usage(arguments: [String]) throws {
        let outcome = try Program.sluice.run(arguments)
        #expect(outcome.status == 64)
        #expect(outcome.output.isEmpty)
        #expect(!outcome.errors.isEmpty)
    }

    @Test("An argument that is not UTF-8 is refused: it would name another entity")
    func bytes() throws {
        let shell = Program(executable: URL(fileURLWithPath: "/bin/sh"))
        let command = #"exec "$0" check login "user=$(printf '\377')""#
        let outcome = try shell.run(["-c", command, Program.sluice.executable.path])
        #expect(outcome.status == 64)
        #expect(outcome.errors == "sluice: argument 3 is not UTF-8\n")
    }

    @Test(
        "Where no service listens, one line says where it was looked for, and the status is 69",
        arguments: [
            (["check", "login", "user=u1"], [:], "127.0.0.1:1"),
            (["check", "login", "--server", "127.0.0.1:1"], ["SLUICE_SERVER": "127.0.0.1:2"], "127.0.0.1:1"),
            (["inspect", "user=u1"], [:], "unix:/nonexistent/admin.sock"),
            (["reset", "user=u1"], [:], "unix:/nonexistent/admin.sock"),
            (["rules"], ["SLUICE_ADMIN": "unix:/nonexistent/other"], "unix:/nonexistent/other"),
            (["stats", "--json"], [:], "unix:/nonexistent/admin.sock"),
            (["reload", "--json"], [:], "unix:/nonexistent/admin.sock"),
            (["top", "--watch"], [:], "unix:/nonexistent/admin.sock"),
        ] as [([String], [String: String], String)])
    func noServer(arguments: [String], environment: [String: String], place: String) throws {
        let nowhere = ["SLUICE_SERVER": "127.0.0.1:1", "SLUICE_STATE_DIR": "/nonexistent"]
        let outcome = try Program.sluice.run(arguments, environment: nowhere.merging(environment) { _, own in own })
        #expect(outcome.status == 69)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errorLines.count == 1)
        #expect(outcome.errors.contains(place))
    }

    @Test(
        "Every command teaches by examples",
        arguments: [
            "check", "undo", "inspect", "top", "reset", "block", "allow", "watch", "unblock", "listings", "rules",
            "reload",
            "stats", "config check", "replay", "bench",
        ])
    func help(command: String) throws {
        let outcome = try Program.sluice.run(command.split(separator: " ").map(String.init) + ["--help"])
        #expect(outcome.status == 0)
        #expect(outcome.output.contains("$ sluice \(command)"))
        #expect(outcome.output.contains("--json"))
    }
}

@Suite struct ConfigCheckTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    @Test("A good file is counted, overrides included")
    func good() throws {
        let file = try folder.file(
            "good.yaml",
            """
            version: 1
            rules:
              - name: a
                check: login
                per: [user]
                limits: [ { max: 1, window: 1m }, { max: 2, window: 1h } ]
                overrides:
                  - { user: vip, limits: [ { max: 9, window: 1m } ] }
                  - { user: test, exempt: true }

            """)
        let outcome = try Program.sluice.run(["config", "check", file])
        #expect(outcome.status == 0)
        #expect(outcome.outputLines.last == "ok: 1 rule, 3 limits")
        #expect(outcome.errors.isEmpty)
        let json = try Program.sluice.run(["config", "check", file, "--json"])
        #expect(json.status == 0)
        #expect(try json.json() == .list([]))
    }

    @Test("Every error of a bad file is one line with its place, and the status is 65")
    func bad() throws {
        let file = try folder.file(
            "bad.yaml",
            """
            version: 1
            rules:
              - name: a
                chekc: login
                per: [user]
                limits: [ { max: 1, window: 1m, verdict: denny } ]

            """)
        let outcome = try Program.sluice.run(["config", "check", file])
        #expect(outcome.status == 65)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errorLines.count >= 2)
        #expect(outcome.errorLines.allSatisfy { $0.hasPrefix("\(file):") })
        #expect(outcome.errorLines.contains { $0.hasPrefix("\(file):4:5: ") })

        let json = try Program.sluice.run(["config", "check", file, "--json"])
        #expect(json.status == 65)
        #expect(json.errors.isEmpty)
        let first = try json.json()[0]
        #expect(first?.keys == ["column", "file", "line", "message", "severity"])
        #expect(first?["severity"] == "error")
        #expect(try json.json().count == outcome.errorLines.count)
    }

    @Test("A path that is not there is bad data")
    func missing() throws {
        let outcome = try Program.sluice.run(["config", "check", "/nonexistent/limits.yaml"])
        #expect(outcome.status == 65)
        #expect(outcome.errorLines.count == 1)
    }
}
