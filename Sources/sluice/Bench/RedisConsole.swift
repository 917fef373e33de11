import Foundation

/// Redis's own tools, run to their end against one Redis.
struct RedisConsole {
    let redis: BenchService.Redis

    /// What `redis-cli` answers to commands, a line each.
    ///
    /// - Throws: a `Failure` that says what is missing or went wrong.
    func ask(_ commands: [String]) throws -> String {
        String(decoding: try run("redis-cli", [], input: Array(commands.joined(separator: "\n").utf8)), as: UTF8.self)
    }

    /// Runs a tool to its end.
    func run(_ tool: String, _ arguments: [String], input: [UInt8]) throws -> [UInt8] {
        let folder = try TemporaryFolder.make()
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("input")
        try Data(input).write(to: file)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [tool, "-s", redis.socket] + arguments
        process.standardInput = try FileHandle(forReadingFrom: file)
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let answer = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failure(.internalFailure, "\(tool) is missing (Debian: apt-get install redis-tools) or failed")
        }
        return Array(answer)
    }

    /// Loads a script and returns its digest.
    func load(_ script: [UInt8]) throws -> String {
        let digest = try run("redis-cli", ["-x", "SCRIPT", "LOAD"], input: script)
        return String(decoding: digest, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Runs of scripts that this Redis has seen, and how many of them failed.
    func scriptRuns() throws -> (all: Int, failed: Int) {
        var (all, failed) = (0, 0)
        for line in try ask(["INFO commandstats"]).split(whereSeparator: \.isNewline)
        where line.hasPrefix("cmdstat_evalsha:") || line.hasPrefix("cmdstat_fcall:") {
            for field in line.drop(while: { $0 != ":" }).dropFirst().split(separator: ",") {
                if field.hasPrefix("calls=") { all += Int(field.dropFirst(6)) ?? 0 }
                if field.hasPrefix("failed_calls=") { failed += Int(field.dropFirst(13)) ?? 0 }
            }
        }
        return (all, failed)
    }
}

extension Process {
    /// Ends a tool of Redis that has nothing to tidy up, and waits for it. One that a thread of Swift's pool has started
    /// never hears SIGTERM: those block every signal, and a child inherits that.
    func kill() {
        Foundation.kill(processIdentifier, SIGKILL)
        waitUntilExit()
    }
}
