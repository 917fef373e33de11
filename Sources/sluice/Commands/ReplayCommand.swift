import ArgumentParser
import Dispatch
import Glibc
import SluiceClient
import SluiceEngine
import SluiceModel
import SluiceWire

struct ReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Play recorded events against a limits file, in event time.",
        discussion: """
            Starts a private service with a private Redis, plays every event through it at the event's own time, and \
            reports what each rule would have done. Nothing that runs elsewhere is touched, and every line is decided \
            by the same code that decides in production.

              $ sluice replay --limits limits.yaml events.ndjson
              $ zcat yesterday.ndjson.gz | sluice replay --limits limits.yaml -
              $ sluice replay --limits new.yaml --decisions decisions.ndjson events.ndjson

            An event is one line of JSON:

              {"at": 1700000000000, "action": "login", "entities": {"user": "u17"}, "cost": 1, "amount": 0,
               "mode": "check", "event_id": "", "label": "credential-stuffing"}

            at (unix ms) and action are required; mode is check, peek or record. A label is free text for the report: \
            mark the attacks you know, and the report says how much of each was caught and whom it cost.

            A line that is none gets {"n": 7, "error": "..."} among the decisions; the replay goes on, and exits 65 at \
            the end.
            """
    )

    @Option(
        help: ArgumentHelp("The limits file, or a directory of them.", valueName: "path"),
        completion: .file()
    )
    var limits: String

    @Option(
        help: ArgumentHelp("Write one line per event to this file; '-' is the standard output.", valueName: "out"),
        completion: .file()
    )
    var decisions: String?

    @Argument(
        help: ArgumentHelp("Event lines (NDJSON); '-' is the standard input.", valueName: "events"),
        completion: .file()
    )
    var events: String

    @OptionGroup var output: OutputOptions

    func run() async throws {
        let limits = try LimitsPath(limits).load()
        for warning in limits.warnings { Output.printError(warning.description.printable) }
        // Opened first: a mistyped path should not wait for a Redis to start.
        let input = events == "-" ? STDIN_FILENO : try Self.open(events, O_RDONLY, or: .badData)
        let output = try decisions.map { (path) throws(Failure) in
            path == "-" ? STDOUT_FILENO : try Self.open(path, O_WRONLY | O_CREAT | O_TRUNC, or: .internalFailure)
        }

        let outcome = try await PrivateService.run(limits: limits, clock: .request) { [events, decisions] endpoint in
            let client = SluiceClient(.init(endpoint: endpoint))
            let outcome = await onOwnThread { () throws(Failure) in
                let run = ReplayRun(
                    client: client,
                    limits: limits.file,
                    decisions: output.map { Output($0, name: decisions?.printable ?? "") }
                )
                return try run.playAll(EventInput(input, name: events.printable))
            }
            await client.shutdown()
            return try outcome.get()
        }
        try say(outcome)
    }

    private func say(_ outcome: ReplayOutcome) throws(Failure) {
        let lines =
            output.json ? [outcome.report.json.line] : outcome.report.lines(for: .standardOutput(environment: .init()))
        if decisions == "-" {
            lines.forEach { Output.printError($0) }
        } else {
            try Output.print(lines)
        }
        if let (number, error) = outcome.firstBad {
            let bad = outcome.report.badLines
            let count = bad == 1 ? "1 bad line" : "\(NumberWords.grouped(bad)) bad lines"
            throw Failure(.badData, "\(count); the first is n \(number): \(error.printable)")
        }
    }

    private static func open(_ path: String, _ flags: Int32, or status: ExitStatus) throws(Failure) -> Int32 {
        let descriptor = Glibc.open(path, flags | O_CLOEXEC, 0o666)
        guard descriptor < 0 else { return descriptor }
        throw Failure(status, "cannot open \(path.printable): \(String(cString: strerror(errno)))")
    }
}

/// Runs `body` where it may block, away from the threads that tasks share.
private func onOwnThread<Value: Sendable, Problem: Error>(
    _ body: @escaping @Sendable () throws(Problem) -> Value
) async -> Result<Value, Problem> {
    await withCheckedContinuation { continuation in
        DispatchQueue(label: "sluice.blocking").async {
            continuation.resume(returning: Result(catching: body))
        }
    }
}
