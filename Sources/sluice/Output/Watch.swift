import ArgumentParser
import Glibc

/// `--watch`, of commands that can show the same again and again.
struct WatchOptions: ParsableArguments {
    @Flag(help: "Show it again and again until interrupted.")
    var watch = false

    @Option(help: ArgumentHelp("With --watch: the pause in between, 100ms to 1h (default 2s).", valueName: "duration"))
    var every: DurationArgument?

    func validate() throws {
        guard every == nil || watch else { throw ValidationError("'--every' goes with '--watch'.") }
        if let every, !(100...3_600_000).contains(every.ms) {
            throw ValidationError("The value of '--every' must be from 100ms to 1h.")
        }
    }

    /// Shows `frame` once, or with `--watch` until the program is told to end. On a terminal each takes the place of the
    /// last.
    ///
    /// - Parameter frame: the lines to show.
    func show(_ frame: () async throws -> [String]) async throws {
        guard watch else { return try Output.print(try await frame()) }
        let pause = Duration.milliseconds(Int64(every?.ms ?? 2_000))
        let isTerminal = isatty(STDOUT_FILENO) == 1
        let hidesCursor = "\u{1B}[?25l"
        let showsCursor = "\u{1B}[?25h"
        let startsOver = "\u{1B}[H\u{1B}[2J"
        var output = Output.standard
        do {
            while true {
                let lines = try await frame()
                if isTerminal { try output.write((hidesCursor + startsOver).utf8) }
                try output.write((lines.joined(separator: "\n") + "\n").utf8)
                try output.flush()
                try await Task.sleep(for: pause)
            }
        } catch {
            if isTerminal {
                try? output.write(showsCursor.utf8)
                try? output.flush()
            }
            throw error
        }
    }
}
