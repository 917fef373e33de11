import ArgumentParser
import SluiceEngine
import SluiceModel

struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Work on limits files, without a service.",
        subcommands: [ConfigCheckCommand.self, ConfigDiffCommand.self]
    )
}

struct ConfigCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check a limits file, or a directory of them.",
        discussion: """
            Reads the file as the service would, offline. All that is wrong is listed at once, one line each, as \
            FILE:LINE:COLUMN: what is wrong; the exit status is then 65.

              $ sluice config check limits.yaml
              $ sluice config check deploy/limits.d/
              $ sluice config check limits.yaml --json | jq '.[] | select(.severity == "error")'
            """
    )

    @Argument(help: ArgumentHelp("A limits file, or a directory with *.yaml files.", valueName: "path"))
    var path: String

    @OptionGroup var output: OutputOptions

    func run() async throws {
        let loaded: LimitsPath.Loaded
        do {
            loaded = try LimitsPath(path).load()
        } catch {
            guard output.json else { throw Failure(error) }
            try Output.print(Self.json(error.diagnostics))
            throw Failure(.badData)
        }
        if output.json {
            try Output.print(Self.json(loaded.warnings))
        } else {
            try Output.print(loaded.warnings.map(\.description.printable) + [Self.words(loaded.file)])
        }
    }

    /// `ok: 1 rule, 2 limits`; limits of overrides count too.
    static func words(_ file: LimitsFile) -> String {
        let rules = file.rules.count
        let limits = file.rules.reduce(0) { sum, rule in
            rule.overrides.reduce(sum + rule.limits.count) { sum, override in
                guard case .limits(let limits) = override.effect else { return sum }
                return sum + limits.count
            }
        }
        return "ok: \(rules) \(rules == 1 ? "rule" : "rules"), \(limits) \(limits == 1 ? "limit" : "limits")"
    }

    private static func json(_ diagnostics: [LimitsDiagnostic]) -> JSON {
        .list(
            diagnostics.map { diagnostic in
                [
                    "file": .text(diagnostic.file),
                    "line": .count(diagnostic.line),
                    "column": .count(diagnostic.column),
                    "severity": diagnostic.severity == .error ? "error" : "warning",
                    "message": .text(diagnostic.message),
                ]
            }
        )
    }
}
