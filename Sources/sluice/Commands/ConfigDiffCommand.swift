import ArgumentParser
import SluiceEngine
import SluiceModel

struct ConfigDiffCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Tell what a changed limits file does, rule by rule.",
        discussion: """
            Reads two limits files, or directories of them, offline, and tells each difference with what it does to \
            decisions and counters when A is in force and B takes its place:

              $ sluice config diff limits.yaml limits.new.yaml
              merchant-orders: 6000 → 4000 per 1m, acts at once
              login-failures: window 10m → 1h, starts from the old window's events

            A change that a guardrail of A (`reload:` in the file) would refuse is said so.

            Exit status: 0 no difference, 1 they differ, 65 one of them is not good.
            """
    )

    @Argument(help: ArgumentHelp("The limits in force: a file or a directory.", valueName: "a"))
    var before: String

    @Argument(help: ArgumentHelp("The limits to come.", valueName: "b"))
    var after: String

    @OptionGroup var output: OutputOptions

    func run() async throws {
        let old = try Self.load(before)
        let new = try Self.load(after)
        let changes = LimitsChange.changes(from: old, to: new)
        let refusals = old.guardrails.violations(from: old, to: new)
        if output.json {
            try Output.print(["changes": .list(changes.map(Self.json)), "refused": .texts(refusals)])
        } else {
            let lines = changes.isEmpty ? ["no difference"] : changes.map(\.description.printable)
            try Output.print(lines + refusals.map { "a reload would refuse this: \($0.printable)" })
        }
        if !changes.isEmpty { throw Failure(.differ) }
    }

    private static func load(_ path: String) throws -> LimitsFile {
        do {
            return try LimitsPath(path).load().file
        } catch {
            throw Failure(error)
        }
    }

    private static func json(_ change: LimitsChange) -> JSON {
        [
            "kind": .text(change.kind.rawValue),
            "rule": change.rule.map { .text($0) } ?? .null,
            "before": change.before.map { .text($0) } ?? .null,
            "after": change.after.map { .text($0) } ?? .null,
            "effect": .text(change.effect),
            "words": .text(change.description),
        ]
    }
}
