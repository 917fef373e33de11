import ArgumentParser

/// Of commands that can show the same thing again and again.
struct WatchOptions: ParsableArguments {
    @Flag(help: "Show it again and again, until Ctrl-C.")
    var watch = false

    @Option(help: ArgumentHelp("With --watch: how often (2s), 100ms to 1h.", valueName: "duration"))
    var every: DurationArgument?

    func validate() throws {
        guard let every else { return }
        guard watch else { throw ValidationError("'--every' goes with '--watch'.") }
        guard (100...3_600_000).contains(every.ms) else {
            throw ValidationError("The value of '--every' must be from 100ms to 1h.")
        }
    }

    var everyMs: UInt64 { every?.ms ?? 2_000 }
}
