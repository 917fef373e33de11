import Foundation
import Logging
import NIOCore
import NIOPosix
import SluiceWire

/// Why there is no private Redis.
public enum EmbeddedRedisError: Error, CustomStringConvertible {
    case notInstalled
    case stateDirectory(path: String, why: String)
    case inUse(path: String)
    case didNotStart(log: String)

    public var description: String {
        switch self {
        case .notInstalled:
            "no redis-server on this machine: install it (Debian: apt-get install redis-server), "
                + "or give one with --redis redis://HOST:PORT"
        case .stateDirectory(let path, let why): "the state directory \(path) cannot be used: \(why)"
        case .inUse(let path): "another sluiced uses the state directory \(path); give this one its own --state-dir"
        case .didNotStart(let log): "redis-server did not start; its log is \(log)"
        }
    }
}

/// A private `redis-server` on a Unix socket in the state directory, ended with the service.
final class EmbeddedRedis: Sendable {
    private static let program = "redis-server"

    let socket: String
    private let process: Process
    private let lock: Int32

    /// Starts it and waits until it answers, at most ten seconds.
    static func start(stateDirectory: String, logger: Logger) async throws -> EmbeddedRedis {
        guard let executable = find(program) else { throw EmbeddedRedisError.notInstalled }
        let socket = "\(stateDirectory)/redis.sock"
        guard socket.utf8.count <= Endpoint.longestUnixPath else {
            throw EmbeddedRedisError.stateDirectory(path: stateDirectory, why: "its path is too long for a Unix socket")
        }
        let lock = try lock(stateDirectory)
        try endOrphan(stateDirectory, socket: socket)
        try? FileManager.default.removeItem(atPath: socket)
        let log = "\(stateDirectory)/redis.log"
        let process = Process()
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = [
            "--port", "0", "--unixsocket", socket, "--unixsocketperm", "700", "--dir", stateDirectory,
            "--save", "", "--appendonly", "no", "--daemonize", "no", "--logfile", log,
            "--pidfile", "\(stateDirectory)/redis.pid", "--maxmemory-policy", "noeviction",
        ]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try runWithSignals(process)
        let redis = EmbeddedRedis(socket: socket, process: process, lock: lock)
        try? "\(process.processIdentifier)".write(
            toFile: "\(stateDirectory)/redis.pid", atomically: true, encoding: .utf8
        )
        for _ in 0..<1_000 where process.isRunning {
            if FileManager.default.fileExists(atPath: socket) { return redis }
            try await Task.sleep(for: .milliseconds(10))
        }
        await redis.stop()
        throw EmbeddedRedisError.didNotStart(log: log)
    }

    private init(socket: String, process: Process, lock: Int32) {
        self.socket = socket
        self.process = process
        self.lock = lock
    }

    /// Ends it and waits for it, at most five seconds, then kills it.
    func stop() async {
        if process.isRunning { process.terminate() }
        for _ in 0..<500 where process.isRunning {
            try? await Task.sleep(for: .milliseconds(10))
        }
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        try? FileManager.default.removeItem(atPath: socket)
        close(lock)
    }

    /// Starts a child with no signal blocked. It inherits the mask of the thread that starts it, and the threads of
    /// Swift's pool block every signal: a Redis started from one never hears SIGTERM.
    private static func runWithSignals(_ process: Process) throws {
        var none = sigset_t()
        var before = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        try process.run()
    }

    private static func find(_ program: String) -> String? {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        return path.split(separator: ":").lazy.map { "\($0)/\(program)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// One service a state directory: the lock goes with the process, however it ends.
    private static func lock(_ directory: String) throws -> Int32 {
        let descriptor = open("\(directory)/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw EmbeddedRedisError.stateDirectory(path: directory, why: String(cString: strerror(errno)))
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw EmbeddedRedisError.inUse(path: directory)
        }
        return descriptor
    }

    /// A service that was killed leaves its Redis behind. Its pid counts only while that process has our socket.
    private static func endOrphan(_ directory: String, socket: String) throws {
        let file = "\(directory)/redis.pid"
        guard let text = try? String(contentsOfFile: file, encoding: .utf8),
            let pid = Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)), pid > 1,
            let title = try? String(contentsOfFile: "/proc/\(pid)/cmdline", encoding: .utf8),
            title.contains(socket)
        else { return }
        kill(pid, SIGTERM)
        for _ in 0..<200 where kill(pid, 0) == 0 { usleep(10_000) }
    }
}
