import SluiceClient
import SluiceModel
import SluiceWire

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Shows what `ask` answers: once, or with --watch again and again.
///
/// - Parameter answerMargin: as of `withClient`.
/// - Returns: the only report. Watching ends by being interrupted, or by a first question without an answer.
@discardableResult
func show<Shown: Report>(
    as output: OutputOptions,
    watching: WatchOptions,
    at endpoint: Endpoint,
    answerMargin: Duration? = nil,
    _ ask: (SluiceClient) async throws -> Shown
) async throws -> Shown {
    let terminal = Terminal.standardOutput(environment: Environment())
    return try await withClient(of: endpoint, answerMargin: answerMargin) { client in
        if watching.watch {
            let watch = Watch(output: output, everyMs: watching.everyMs, terminal: terminal, endpoint: endpoint)
            try await watch.run { try await ask(client) }
        }
        let report = try await ask(client)
        try report.print(as: output, on: terminal)
        return report
    }
}

/// Asks, shows and waits, over and over: on a terminal one picture over the other, else block after block, in JSON
/// line after line. One question is under way at most; a slow answer delays the next question and adds none.
private struct Watch {
    var output: OutputOptions
    var everyMs: UInt64
    var terminal: Terminal
    var endpoint: Endpoint

    private var draws: Bool { terminal.isScreen && !output.json }

    /// - Throws: always. `CancellationError` after an interruption; a `Failure` if even the first question got no
    ///   answer, or the output takes nothing more.
    func run(_ ask: () async throws -> some Report) async throws -> Never {
        let suspension = draws ? Screen.leavesWhenSuspended() : nil
        var last: [String]?
        defer {
            withExtendedLifetime(suspension) {}
            Screen.leave()
            // The terminal is as it was, and the last picture stays to be read.
            if draws, let last { try? Output.print(last) }
        }
        while true {
            let next = ContinuousClock.now + .milliseconds(everyMs)
            do {
                let report = try await ask()
                let lines = output.json ? [report.json.line] : [time] + report.lines(for: terminal)
                try show(lines, isFirst: last == nil)
                last = lines
            } catch let error as SluiceClientError {
                try Task.checkCancellation()
                // A service that is restarted comes back; the client connects again by itself.
                guard let last else { throw error }
                try complain(Failure(error, at: endpoint).message, beside: last)
            }
            try await Task.sleep(until: next)
        }
    }

    private func show(_ lines: [String], isFirst: Bool) throws(Failure) {
        if draws {
            try Screen.draw([terminal.coloured("\(lines[0])  every \(interval), Ctrl-C ends", .faint)] + lines[1...])
        } else {
            try Output.print(isFirst || output.json ? lines : [""] + lines)
        }
    }

    private func complain(_ message: String, beside last: [String]) throws(Failure) {
        if draws {
            try Screen.draw(["\(last[0])  \(terminal.coloured("out of date: \(message)", .red))"] + last[1...])
        } else {
            Output.printError("sluice: \(message)")
        }
    }

    private var interval: String { DurationText.spell(ms: everyMs) }
    private var time: String { Date().ISO8601Format() }
}
