import Foundation
import SluiceWire
import Synchronization
import Testing

@testable import sluice

/// `--watch`, against a service whose answers change.
@Suite(.serialized) struct WatchTests {
    private static let enter = "\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l"
    private static let leave = "\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l"

    /// Counts up with every question.
    private static func service(port: Int = 0) throws -> FakeService {
        let asked = Mutex<UInt64>(0)
        return try FakeService(port: port) { _, _ in
            var entry = WireTopEntry()
            entry.entity = WireEntity("user", "u\u{1B}[2J17")
            entry.count = asked.withLock { count in
                count += 1
                return 100 + count
            }
            var response = WireTopResponse()
            response.entries = [entry]
            response.windowMs = 60_000
            return .init(response)
        }
    }

    @Test(
        "On a terminal one picture replaces the other, and a signal gives the terminal back as it was, at once",
        arguments: [(SIGINT, 130), (SIGTERM, 143)] as [(Int32, Int32)])
    func terminal(signal: Int32, status: Int32) throws {
        let service = try Self.service()
        let terminal = try PseudoTerminal("top", "--watch", "--every", "100ms", "--admin", service.address)
        try terminal.wait { $0.contains("101") && $0.contains("103") }
        #expect(terminal.output.hasPrefix(Self.enter + "\u{1B}[H"))
        #expect(terminal.output.contains("every 100ms, Ctrl-C ends"))
        #expect(!terminal.output.contains("\u{1B}[2J"))
        #expect(!terminal.output.contains(Self.leave))
        let start = ContinuousClock.now
        terminal.signal(signal)
        #expect(try terminal.exitStatus() == status)
        #expect(ContinuousClock.now - start < .seconds(5))
        let parts = terminal.output.components(separatedBy: Self.leave)
        #expect(parts.count == 2)
        #expect(parts[0].components(separatedBy: Self.enter).count == 2)
        // The last picture stays to be read, without a cursor that moves.
        #expect(parts[1].contains(#"u\u{1b}[2J17"#))
        #expect(!parts[1].contains("\u{1B}"))
    }

    @Test("Ctrl-Z gives the terminal back until the program goes on")
    func suspended() throws {
        let service = try Self.service()
        let terminal = try PseudoTerminal("top", "--watch", "--every", "1h", "--admin", service.address)
        try terminal.wait { $0.contains("101") }
        terminal.signal(SIGTSTP)
        try terminal.wait { $0.hasSuffix(Self.leave) }
        try terminal.waitUntilStopped()
        terminal.signal(SIGCONT)
        try terminal.wait { $0.components(separatedBy: "101").count == 3 }
        #expect(terminal.output.components(separatedBy: Self.enter).count == 3)
        terminal.signal(SIGINT)
        #expect(try terminal.exitStatus() == 130)
    }

    @Test("A second signal ends the program at once, and the terminal is still given back")
    func twice() throws {
        let service = try FakeService { _, _ in .init(WireTopResponse()) }
        let terminal = try PseudoTerminal("top", "--watch", "--every", "100ms", "--admin", service.address)
        try terminal.wait { $0.contains(Self.enter) }
        terminal.signal(SIGINT)
        terminal.signal(SIGTERM)
        #expect([130, 143].contains(try terminal.exitStatus()))
        #expect(terminal.output.components(separatedBy: Self.leave).count == 2)
    }

    @Test("Without a terminal every answer is a block of lines, in JSON a line")
    func blocks() throws {
        let service = try Self.service()
        let words = try Self.interrupted(["top", "--watch", "--every", "100ms"], service) {
            $0.components(separatedBy: "most checks").count > 3
        }
        #expect(words.status == 130)
        #expect(!words.output.contains("\u{1B}"))
        let blocks = words.output.components(separatedBy: "\n\n20")
        #expect(blocks.count >= 3)
        #expect(blocks[1].contains("most checks in the last 1m, generation 0"))
        let json = try Self.interrupted(["top", "--json", "--watch", "--every", "100ms"], service) {
            $0.split(separator: "\n").count >= 3
        }
        #expect(json.status == 130)
        for line in json.outputLines {
            #expect(try JSONValue(line).keys == ["by", "entries", "generation", "window_ms"])
        }
    }

    @Test("A service that goes away is waited for, one that was never there is not")
    func restart() throws {
        let service = try Self.service()
        let terminal = try PseudoTerminal("top", "--watch", "--every", "100ms", "--admin", service.address)
        try terminal.wait { $0.contains("101") }
        service.stop()
        try terminal.wait { $0.contains("out of date: ") }
        let before = terminal.output.count
        let again = try Self.service(port: service.port)
        try terminal.wait { $0.dropFirst(before).contains("103") }
        #expect(again.requests > 0)
        terminal.signal(SIGINT)
        #expect(try terminal.exitStatus() == 130)
        #expect(try Program.sluice.run(["top", "--watch", "--admin", "127.0.0.1:1"]).status == 69)
    }

    @Test("A slow answer delays the next question and adds none")
    func slow() throws {
        let service = try FakeService { _, _ in .init(WireTopResponse(), after: .milliseconds(400)) }
        let terminal = try PseudoTerminal("top", "--watch", "--every", "100ms", "--admin", service.address)
        try terminal.wait { _ in service.requests >= 4 }
        #expect(service.mostInFlight == 1)
        // In the middle of a question, too, a signal ends the program.
        terminal.signal(SIGINT)
        #expect(try terminal.exitStatus() == 130)
    }

    @Test("Watching a check counts nothing, and shows each limit that judges it")
    func check() throws {
        let service = try RunningService(
            limits: """
                version: 1
                rules:
                  - { name: logins, check: "login*", per: [user], limits: [ { max: 4, window: 10m } ] }
                  - { name: payments, check: pay, per: [user], limits: [ { max: 9, window: 1d } ] }

                """)
        let login = ["login.web", "user=u1"]
        for _ in 0..<3 { #expect(try service.sluice("check", login[0], login[1]).status == 0) }
        let environment = ["SLUICE_SERVER": service.address("data"), "SLUICE_ADMIN": service.address("admin")]
        let terminal = try PseudoTerminal(
            "check", login[0], login[1], "--watch", "--every", "100ms", environment: environment)
        try terminal.wait { $0.components(separatedBy: "3/4").count > 5 }
        #expect(terminal.output.contains("\u{2588}\u{2588}\u{2588}\u{2591}\u{2591}\u{2591}  75%"))
        #expect(!terminal.output.contains("payments"))
        terminal.signal(SIGINT)
        #expect(try terminal.exitStatus() == 130)
        #expect(try service.sluice("inspect", "user=u1", "--json").json()["usages"]?[0]?["used"] == 3)

        // The standard socket may be another service's than the one that is named.
        let alone = try PseudoTerminal(
            "check", login[0], login[1], "--watch", "--server", service.address("data"))
        try alone.wait { $0.contains("--admin says where") && $0.contains("tightest: logins") }
    }

    /// Runs `sluice` until its output satisfies `condition`, then interrupts it.
    private static func interrupted(
        _ arguments: [String],
        _ service: FakeService,
        when condition: (String) -> Bool
    ) throws -> Program.Outcome {
        let folder = try TemporaryFolder()
        let file = try folder.file("out", "")
        let process = Program.sluice.process(arguments + ["--admin", service.address], environment: [:])
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle(forWritingAtPath: file)
        try process.run()
        for _ in 0..<2_000 where process.isRunning {
            if condition(try String(contentsOfFile: file, encoding: .utf8)) { break }
            usleep(10_000)
        }
        process.interrupt()
        process.waitUntilExit()
        return .init(
            status: process.terminationStatus, output: try String(contentsOfFile: file, encoding: .utf8), errors: "")
    }
}

@Suite struct ScreenTests {
    @Test("What the terminal has no room for is counted in its last line")
    func rows() {
        let lines = (1...5).map { "line \($0)" }
        #expect(Screen.picture(of: lines, rows: 3).hasSuffix("\n... 3 more lines\u{1B}[K\u{1B}[J"))
        #expect(Screen.picture(of: lines, rows: 5).hasSuffix("\nline 5\u{1B}[K\u{1B}[J"))
        #expect(Screen.picture(of: lines, rows: nil).hasPrefix("\u{1B}[Hline 1\u{1B}[K\n"))
    }

    @Test("A bar is full exactly when its limit is, and empty exactly when nothing is used")
    func bars() {
        let blocks = Terminal(hasColour: false, drawsBlocks: true)
        let plain = Terminal(hasColour: false)
        func bar(_ used: UInt64, _ max: UInt64, _ terminal: Terminal) -> String {
            FillBar.cell(used, of: max, for: terminal).text
        }
        #expect(bar(0, 1_000, plain) == "[------------]   0%")
        #expect(bar(1, 1_000, plain) == "[#-----------]   0%")
        #expect(bar(500, 1_000, plain) == "[######------]  50%")
        #expect(bar(999, 1_000, plain) == "[###########-]  99%")
        #expect(bar(1_000, 1_000, plain) == "[############] 100%")
        #expect(bar(0, 0, plain) == "[############] 100%")
        #expect(bar(.max, 1, plain) == "[############] >999%")
        #expect(bar(3, 4, blocks) == String(repeating: "\u{2588}", count: 9) + "\u{2591}\u{2591}\u{2591}  75%")
        #expect(FillBar.cell(3, of: 4, for: plain).colour == .yellow)
        #expect(FillBar.cell(4, of: 4, for: plain).colour == .red)
        #expect(FillBar.cell(2, of: 4, for: plain).colour == .green)
    }
}
