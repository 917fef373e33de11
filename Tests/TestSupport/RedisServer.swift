import Foundation
import Synchronization

/// A `redis-server` of a test's own, on a Unix socket in a folder of its own, gone when this object is.
public final class RedisServer: Sendable {
    public enum Failure: Error {
        /// Install it: `make deps`.
        case notInstalled
        case didNotStart
    }

    /// What is started: another with `SLUICE_TEST_REDIS_SERVER`, such as a Valkey.
    private static let program =
        ProcessInfo.processInfo.environment["SLUICE_TEST_REDIS_SERVER"] ?? "/usr/bin/redis-server"

    public let folder: String
    public var socket: String { "\(folder)/redis.sock" }
    /// 0: it listens on the Unix socket alone.
    public let port: Int
    public var processIdentifier: Int32 { process.withLock { $0.processIdentifier } }
    private let arguments: [String]
    private let environment: [String: String]
    private let process: Mutex<Process>

    /// - Parameters:
    ///   - arguments: settings as `redis-server` takes them, behind those for the socket.
    ///   - port: of 127.0.0.1, where it is to listen as well; 0: on the Unix socket alone.
    ///   - environment: what is added to this process's own.
    public init(_ arguments: [String] = [], port: Int = 0, environment: [String: String] = [:]) throws {
        self.port = port
        self.environment = environment
        folder = try Self.makeFolder()
        self.arguments =
            Self.place(folder, port) + ["--save", "", "--appendonly", "no", "--enable-debug-command", "local"]
            + arguments
        process = Mutex(try Self.start(self.arguments, folder: folder, environment))
    }

    /// A sentinel.
    ///
    /// - Parameters:
    ///   - configuration: lines of its file, which it changes as it goes.
    ///   - port: of 127.0.0.1; also in its own folder's Unix socket.
    public init(sentinel configuration: String, port: Int) throws {
        self.port = port
        environment = [:]
        folder = try Self.makeFolder()
        try Data((configuration + "\n").utf8).write(to: URL(fileURLWithPath: "\(folder)/sentinel.conf"))
        arguments = ["\(folder)/sentinel.conf", "--sentinel"] + Self.place(folder, port)
        process = Mutex(try Self.start(arguments, folder: folder, environment))
    }

    private static func makeFolder() throws -> String {
        let folder = "/tmp/sluice-test-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        return folder
    }

    /// Settings for where it listens and writes.
    private static func place(_ folder: String, _ port: Int) -> [String] {
        [
            "--port", "\(port)", "--bind", "127.0.0.1", "--unixsocket", "\(folder)/redis.sock", "--dir", folder,
            "--logfile", "\(folder)/redis.log",
        ]
    }

    deinit {
        stop()
        try? FileManager.default.removeItem(atPath: folder)
    }

    private static func start(
        _ arguments: [String], folder: String, _ environment: [String: String]
    ) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        if !environment.isEmpty {
            process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        }
        try? FileManager.default.removeItem(atPath: "\(folder)/redis.sock")
        do {
            try process.run()
        } catch {
            throw Failure.notInstalled
        }
        // The socket alone proves little: a node of a cluster makes it before it knows whether its ports are free.
        for _ in 0..<1_000 {
            guard process.isRunning else { throw Failure.didNotStart }
            if FileManager.default.fileExists(atPath: "\(folder)/redis.sock"), (try? cli(["PING"], folder)) != "" {
                return process
            }
            usleep(5_000)
        }
        kill(process.processIdentifier, SIGKILL)
        throw Failure.didNotStart
    }

    /// Kills it and waits.
    public func stop() {
        process.withLock { process in
            guard process.isRunning else { return }
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
        }
    }

    /// Starts it again after `stop`, on the same socket and port; empty, unless `arguments` had it keep a file.
    public func restart() throws {
        try process.withLock { $0 = try Self.start(arguments, folder: folder, environment) }
    }

    /// Freezes it: its connections stay, nothing is answered until `resume`.
    public func freeze() { kill(processIdentifier, SIGSTOP) }
    public func resume() { kill(processIdentifier, SIGCONT) }

    /// Whether it runs and is not frozen.
    public var answers: Bool {
        guard process.withLock({ $0.isRunning }),
            let stat = try? String(contentsOfFile: "/proc/\(processIdentifier)/stat", encoding: .utf8),
            let state = stat.split(separator: ")").last?.split(separator: " ").first
        else { return false }
        return !["T", "Z", "X"].contains(state)
    }

    /// What `redis-cli` prints for a command, unformatted.
    @discardableResult
    public func cli(_ arguments: String...) throws -> String { try Self.cli(arguments, folder) }

    private static func cli(_ arguments: [String], _ folder: String) throws -> String {
        let command = Process()
        command.executableURL = URL(fileURLWithPath: "/usr/bin/redis-cli")
        command.arguments = ["-s", "\(folder)/redis.sock"] + arguments
        let output = Pipe()
        command.standardOutput = output
        try command.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        command.waitUntilExit()
        return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .newlines)
    }
}
