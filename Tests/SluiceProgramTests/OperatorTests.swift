import Foundation
import Testing

@testable import sluice

@Suite("What an operator does at a terminal", .timeLimit(.minutes(2)))
struct OperatorTests {
    private static let limits = """
        version: 1
        rules:
          - { name: logins, check: login, per: [user], limits: [ { max: 4, window: 1h } ] }
          - { name: trial, check: login, per: [ip], limits: [ { max: 1, window: 1h } ], shadow: true }
        """

    /// Runs `sluice` on a terminal, and types an answer when it is asked.
    private static func terminal(
        _ service: RunningService, _ answer: String, _ arguments: String...
    ) throws -> (shown: String, status: Int32) {
        let python = try #require(Program.onPath("python3"))
        let script = Program.fixtures.appendingPathComponent("terminal.py").path
        let outcome = try python.run(
            [script, answer, Program.sluice.executable.path] + arguments,
            environment: [
                "SLUICE_SERVER": service.address("data"), "SLUICE_ADMIN": service.address("admin"), "TERM": "xterm",
                "LANG": "C.UTF-8",
            ])
        let lines = outcome.outputLines
        let status = lines.last.flatMap { Int32($0.dropFirst("status ".count)) } ?? -1
        return (outcome.output, status)
    }

    private static func login(_ service: RunningService, times: Int, ip: String = "10.0.0.1") throws {
        for _ in 0..<times { _ = try service.sluice("check", "login", "user=u17", "ip=\(ip)") }
    }

    @Test("A reset on a terminal shows what would go, and does nothing unless the answer is yes")
    func confirmation() throws {
        let service = try RunningService(limits: Self.limits)
        try Self.login(service, times: 3)
        for answer in ["n", "", "^D", "nyet"] {
            let (shown, status) = try Self.terminal(service, answer, "reset", "user=u17")
            #expect(status == 1, "\(shown)")
            #expect(shown.contains("logins") && shown.contains("3/4") && shown.contains("███████▌··"))
            #expect(!shown.contains("trial"))
            #expect(shown.contains("nothing was reset"))
        }
        #expect(try service.sluice("inspect", "user=u17", "--json").json()["usages"]?[0]?["used"] == 3)
        let (shown, status) = try Self.terminal(service, "yes", "reset", "user=u17", "--reason", "case 7")
        #expect(status == 0)
        #expect(shown.contains("forgot 1 counter of user=u17"))
        try Self.login(service, times: 1)
        // A script is not asked, and neither is who says so.
        #expect(try Self.terminal(service, "unasked", "reset", "user=u17", "--yes").status == 0)
        #expect(try service.sluice("reset", "user=u17").output == "nothing was counted for exactly user=u17\n")
    }

    @Test("Top shows who comes up most and who is refused most, in words and in JSON")
    func top() throws {
        let service = try RunningService(limits: Self.limits)
        try Self.login(service, times: 6)
        _ = try service.sluice("check", "login", "user=a\u{1B}[31m")
        let busy = try service.sluice("top")
        #expect(busy.outputLines.contains { $0.hasPrefix("ip") && $0.contains("10.0.0.1") && $0.contains(" 6 ") })
        #expect(busy.output.contains(#"a\u{1b}[31m"#))
        let refused = try service.sluice("top", "--by", "refused", "--dimension", "user", "--json").json()
        #expect(refused["entries"]?.count == 1)
        #expect(refused["entries"]?[0]?["value"] == "u17")
        #expect(refused["entries"]?[0]?["count"] == 2)
        #expect(try service.sluice("top", "--by", "loudest").status == 64)
        #expect(try service.sluice("top", "--count", "101").status == 64)
    }

    @Test("Rules are shown with what each has judged and tripped")
    func rules() throws {
        let service = try RunningService(limits: Self.limits)
        try Self.login(service, times: 5)
        let rules = try service.sluice("rules", "--json").json()["rules"]
        #expect(rules?[0]?["judged"] == 5)
        #expect(rules?[0]?["tripped"] == 1)
        #expect(rules?[1]?["tripped"] == 4)
        let words = try service.sluice("rules").outputLines
        #expect(words.contains { $0.hasPrefix("logins") && $0.contains("20.0%") })
        #expect(words.contains { $0.hasPrefix("loaded at") && $0.hasSuffix("ago") })
    }

    @Test("A watch goes on until it is interrupted, gives the cursor back, and counts nothing")
    func watch() throws {
        let service = try RunningService(limits: Self.limits)
        for command in [["check", "login", "user=u17"], ["inspect", "user=u17"], ["top"], ["rules"]] {
            let arguments = command + ["--watch", "--every", "100ms"]
            let python = try #require(Program.onPath("python3"))
            let script = Program.fixtures.appendingPathComponent("terminal.py").path
            let outcome = try python.run(
                [script, "^C", Program.sluice.executable.path] + arguments,
                environment: ["SLUICE_SERVER": service.address("data"), "SLUICE_ADMIN": service.address("admin")])
            #expect(outcome.outputLines.last == "status 130", "\(command)")
            #expect(outcome.output.contains("\u{1B}[?25h"))
            #expect(outcome.output.components(separatedBy: "\u{1B}[2J").count >= 3)
        }
        #expect(try service.sluice("inspect", "user=u17", "--json").json()["usages"]?[0]?["used"] == 0)
        #expect(try service.sluice("check", "login", "--record", "--watch").status == 64)
        #expect(try service.sluice("top", "--every", "1s").status == 64)
    }

    @Test("Stats are filtered, and leave out buckets unless they are asked for")
    func stats() throws {
        let service = try RunningService(limits: Self.limits)
        let names = try service.sluice("stats").output
        #expect(names.contains("sluice_request_duration_seconds_count") && !names.contains("_bucket"))
        #expect(try service.sluice("stats", "--all").output.contains("_bucket{le=\"+Inf\"}"))
        #expect(
            try service.sluice("stats", "--filter", "reload").outputLines.allSatisfy {
                $0.contains("reload") || $0.hasPrefix("NAME")
            })
    }

    @Test("The completion script is one that bash can read, and it completes a command")
    func completions() throws {
        let bash = try #require(Program.onPath("bash"))
        for program in [Program.sluice, Program.sluiced] {
            let script = try program.run(["--generate-completion-script", "bash"])
            #expect(script.status == 0)
            #expect(try bash.run(["-n"], input: script.output).status == 0)
        }
        let script = try Program.sluice.run(["--generate-completion-script", "bash"]).output
        let asked = script + "\nCOMP_WORDS=(sluice ins); COMP_CWORD=1; _sluice; printf '%s\\n' \"${COMPREPLY[@]}\"\n"
        let completed = try bash.run(["-s", "sluice", "ins", "sluice"], input: asked)
        #expect(completed.outputLines.contains("inspect"), "\(completed.errors)")
    }

    @Test("A bar is full only when nothing is left")
    func bar() {
        #expect(FillBar.text(0, of: 10, isUnicode: true) == "··········")
        #expect(FillBar.text(9_999, of: 10_000, isUnicode: true) == "█████████▉")
        #expect(FillBar.text(10_000, of: 10_000, isUnicode: true) == "██████████")
        #expect(FillBar.text(99_999, of: 10_000, isUnicode: false) == "##########")
        #expect(FillBar.text(.max - 1, of: .max, isUnicode: false) == "#########.")
        #expect(FillBar.text(0, of: 0, isUnicode: false) == "##########")
    }
}
