import Foundation

/// A `sluiced` of one test, on ports of its own, with a private Redis.
final class RunningService {
    struct DidNotStart: Error, CustomStringConvertible {
        var description: String
    }

    /// The line it said when it could answer.
    let readyLine: String
    let redisPID: Int32
    private let process: Process
    private let folder: TemporaryFolder

    /// Starts it and waits for its `ready` line.
    init(limits: String) throws {
        folder = try TemporaryFolder()
        let limitsFile = try folder.file("limits.yaml", limits)
        let log = try folder.file("log", "")
        process = Program.sluiced.process(
            [
                "--limits", limitsFile, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--state-dir",
                folder.url.path,
            ],
            environment: [:]
        )
        let output = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = FileHandle(forWritingAtPath: log)
        try process.run()
        var line = Data()
        while line.last != UInt8(ascii: "\n") {
            let byte = output.fileHandleForReading.readData(ofLength: 1)
            guard !byte.isEmpty else {
                throw DidNotStart(description: (try? String(contentsOfFile: log, encoding: .utf8)) ?? "no log")
            }
            line += byte
        }
        readyLine = String(decoding: line.dropLast(), as: UTF8.self)
        let pid = try String(contentsOf: folder.url.appendingPathComponent("redis.pid"), encoding: .utf8)
        redisPID = Int32(pid.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
    }

    deinit {
        _ = stop()
    }

    /// A word of the ready line, such as `data`.
    func address(_ name: String) -> String {
        let word = readyLine.split(separator: " ").first { $0.hasPrefix("\(name)=") }
        return word.map { String($0.dropFirst(name.count + 1)) } ?? ""
    }

    /// Runs `sluice` against this service.
    func sluice(_ arguments: String...) throws -> Program.Outcome {
        let environment = ["SLUICE_SERVER": address("data"), "SLUICE_ADMIN": address("admin")]
        return try Program.sluice.run(arguments, environment: environment)
    }

    /// Writes the limits file anew.
    func replaceLimits(_ text: String) throws {
        try Data(text.utf8).write(to: folder.url.appendingPathComponent("limits.yaml"))
    }

    /// What `redis-cli` says, line by line.
    func redis(_ arguments: String...) throws -> [String] {
        guard let client = Program.onPath("redis-cli") else {
            throw DidNotStart(description: "redis-cli is missing: apt-get install redis-tools")
        }
        return try client.run(["-s", folder.url.appendingPathComponent("redis.sock").path] + arguments).outputLines
    }

    /// Sends SIGTERM and waits for the end, once.
    func stop() -> (status: Int32, reason: Process.TerminationReason) {
        if process.isRunning { process.terminate() }
        process.waitUntilExit()
        return (process.terminationStatus, process.terminationReason)
    }
}
