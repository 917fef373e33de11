import ArgumentParser
import Glibc
import SluiceEngine
import SluiceModel

/// Runs the command that the arguments name, and turns whatever ends it into words and an exit status.
@main
enum SluiceProgram {
    static func main() async {
        // The output's reader may leave early, as `head` does; a write then says so.
        signal(SIGPIPE, SIG_IGN)
        let work = Task {
            try refuseArgumentsThatAreNotText()
            var command = try Sluice.parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        }
        let signals = Interruption.cancelsOnSignal(work)
        let result = await work.result
        withExtendedLifetime(signals) {}
        // What was started along the way has been ended by now.
        if let signal = Interruption.signal { exit(128 + signal) }
        if case .failure(let error) = result { end(with: error) }
    }

    /// Arguments become text on their way in, and text cannot hold other bytes: those would name another entity.
    private static func refuseArgumentsThatAreNotText() throws(Failure) {
        for index in 1..<max(Int(CommandLine.argc), 1) {
            guard let argument = CommandLine.unsafeArgv[index] else { continue }
            guard String(validatingCString: argument) != nil else {
                throw Failure(.usage, "argument \(index) is not UTF-8")
            }
        }
    }

    private static func end(with error: any Error) -> Never {
        if let failure = error as? Failure { end(failure) }
        if let failure = error as? LimitsFileError { end(Failure(failure)) }
        if let failure = error as? EmbeddedRedisError { end(Failure(.noServer, "\(failure)")) }
        guard Sluice.exitCode(for: error) != .failure else {
            end(Failure(.internalFailure, "internal failure: \(error)"))
        }
        // Help, and what the parser has to say about the arguments.
        Sluice.exit(withError: error)
    }

    private static func end(_ failure: Failure) -> Never {
        if !failure.message.isEmpty {
            Output.printError(failure.isBare ? failure.message : "sluice: \(failure.message)")
        }
        exit(failure.status.rawValue)
    }
}
