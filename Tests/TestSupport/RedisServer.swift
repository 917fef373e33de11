import Foundation

/// A `redis-server` of a test's own, on a Unix socket in a folder of its own, gone when this object is.
public final class RedisServer: Sendable {
    public enum Failure: Error {
        /// Install it: `make deps`.
        case notInstalled
        case didNotStart
    }

    public let folder: String
    public var socket: String { "\(folder)/redis.sock" }
    public var processIdentifier: Int32 { process.processIdentifier }
    private let process: Process

    /// - Parameter arguments: settings as `redis-server` takes them, behind those for the socket.
    public init(_ arguments: [String] = []) throws {
        folder = "/tmp/sluice-test-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/redis-server")
        process.arguments =
            [
                "--port", "0", "--unixsocket", "\(folder)/redis.sock", "--save", "", "--appendonly", "no", "--dir",
                folder, "--logfile", "\(folder)/redis.log", "--enable-debug-command", "local",
            ] + arguments
        do {
            try process.run()
        } catch {
            throw Failure.notInstalled
        }
        for _ in 0..<1_000 where !FileManager.default.fileExists(atPath: "\(folder)/redis.sock") {
            guard process.isRunning else { throw Failure.didNotStart }
            usleep(5_000)
        }
        guard FileManager.default.fileExists(atPath: "\(folder)/redis.sock") else { throw Failure.didNotStart }
    }

    deinit {
        stop()
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// Ends it and waits.
    public func stop() {
        guard process.isRunning else { return }
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// What `redis-cli` prints for a command, unformatted.
    public func cli(_ arguments: String...) throws -> String {
        let command = Process()
        command.executableURL = URL(fileURLWithPath: "/usr/bin/redis-cli")
        command.arguments = ["-s", socket] + arguments
        let output = Pipe()
        command.standardOutput = output
        try command.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        command.waitUntilExit()
        return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .newlines)
    }
}
