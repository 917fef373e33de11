import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOCore
import SluiceWire

/// Why there is no private Redis.
public enum EmbeddedRedisError: Error, CustomStringConvertible {
    case notInstalled
    case stateDirectory(path: String, why: String)
    case inUse(path: String)
    case orphanLives(pid: Int32)
    case didNotStart(log: String)
    case damagedFile(directory: String, log: String)

    public var description: String {
        switch self {
        case .notInstalled:
            "no redis-server on this machine: install it (Debian: apt-get install redis-server), "
                + "or give one with --redis redis://HOST:PORT"
        case .stateDirectory(let path, let why): "the state directory \(path) cannot be used: \(why)"
        case .inUse(let path): "another sluiced uses the state directory \(path); give this one its own --state-dir"
        case .orphanLives(let pid): "the redis-server that an earlier sluiced left behind does not end: process \(pid)"
        case .didNotStart(let log): "redis-server did not start; its log is \(log)"
        case .damagedFile(let directory, let log):
            "redis-server cannot read what it kept in \(directory); its log is \(log). Mend it with redis-check-aof "
                + "--fix \(directory)/\(EmbeddedRedis.manifest), or move \(directory) away to start with empty counters"
        }
    }
}

/// A private `redis-server` on a Unix socket in the state directory: started again when it dies, and ended with the
/// service. Where it keeps data, that is an append-only file in the same directory, which the next one reads.
final class EmbeddedRedis: Sendable {
    private struct State {
        var process: Process
        var isStopping = false
        var restarts: UInt64 = 0
    }

    private static let program = "redis-server"
    private static let folder = "appendonlydir"
    fileprivate static let manifest = "appendonly.aof.manifest"
    /// How long it is waited for at the start. One that still reads its file then goes on doing so, and the service
    /// answers by policy until it is done.
    private static let patience = Duration.seconds(10)
    /// One that lived this long did start: what ended it is not what ended the one before.
    private static let goodLife = Duration.seconds(10)
    private static let backoff = Backoff(initial: .milliseconds(50), longest: .seconds(5))

    let socket: String
    private let executable: String
    private let directory: String
    private let keepsData: Bool
    private let lock: Int32
    private let logger: Logger
    private let state: NIOLockedValueBox<State>
    /// One element for each process that has ended: how.
    private let ends: AsyncStream<Int32>
    private let tellEnd: AsyncStream<Int32>.Continuation

    /// Times it was started again, for it had died.
    var restarts: UInt64 { state.withLockedValue { $0.restarts } }

    /// Starts it and waits until it answers.
    ///
    /// - Parameter keepsData: whether what it holds outlives it.
    static func start(stateDirectory: String, keepsData: Bool, logger: Logger) async throws -> EmbeddedRedis {
        guard let executable = find(program) else { throw EmbeddedRedisError.notInstalled }
        let socket = "\(stateDirectory)/redis.sock"
        guard socket.utf8.count <= Endpoint.longestUnixPath else {
            throw EmbeddedRedisError.stateDirectory(path: stateDirectory, why: "its path is too long for a Unix socket")
        }
        let lock = try lock(stateDirectory)
        let redis: EmbeddedRedis
        do {
            try await endOrphan(stateDirectory, socket: socket)
            redis = try EmbeddedRedis(
                executable: executable, socket: socket, directory: stateDirectory, keepsData: keepsData, lock: lock,
                logger: logger)
        } catch {
            close(lock)
            throw error
        }
        guard await redis.answers() else {
            let hasEnded = !redis.state.withLockedValue { $0.process.isRunning }
            await redis.stop()
            throw hasEnded ? redis.startFailure() : EmbeddedRedisError.didNotStart(log: redis.log)
        }
        return redis
    }

    private init(
        executable: String, socket: String, directory: String, keepsData: Bool, lock: Int32, logger: Logger
    ) throws {
        self.executable = executable
        self.socket = socket
        self.directory = directory
        self.keepsData = keepsData
        self.lock = lock
        self.logger = logger
        (ends, tellEnd) = AsyncStream.makeStream(of: Int32.self)
        let process = try Self.launch(executable, socket, directory, keepsData: keepsData, tellEnd)
        state = NIOLockedValueBox(State(process: process))
    }

    private var log: String { "\(directory)/redis.log" }

    // MARK: - Starting

    private static func arguments(_ socket: String, _ directory: String, keepsData: Bool) -> [String] {
        let kept =
            keepsData
            ? [
                "--appendonly", "yes", "--appendfsync", "everysec", "--appenddirname", folder,
                // A file that a crash cut short is read up to there.
                "--aof-load-truncated", "yes", "--auto-aof-rewrite-percentage", "100", "--auto-aof-rewrite-min-size",
                "16mb",
            ] : ["--appendonly", "no"]
        return [
            "--port", "0", "--unixsocket", socket, "--unixsocketperm", "700", "--dir", directory, "--save", "",
            "--daemonize", "no", "--logfile", "\(directory)/redis.log", "--pidfile", "\(directory)/redis.pid",
            "--maxmemory-policy", "noeviction",
        ] + kept
    }

    private static func launch(
        _ executable: String, _ socket: String, _ directory: String, keepsData: Bool,
        _ tellEnd: AsyncStream<Int32>.Continuation
    ) throws -> Process {
        try? FileManager.default.removeItem(atPath: socket)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments(socket, directory, keepsData: keepsData)
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        process.terminationHandler = { tellEnd.yield($0.terminationStatus) }
        try runWithSignals(process)
        try? "\(process.processIdentifier)".write(toFile: "\(directory)/redis.pid", atomically: true, encoding: .utf8)
        return process
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

    /// Waits until it answers, or for as long as patience lasts while it reads its file.
    private func answers() async -> Bool {
        let end = ContinuousClock.now + Self.patience
        var answer = RedisPing.Answer.none
        while state.withLockedValue({ $0.process.isRunning }) {
            answer = await RedisPing.send(to: socket)
            if answer == .pong { return true }
            guard ContinuousClock.now < end else { return answer == .loading }
            try? await Task.sleep(for: .milliseconds(10))
        }
        return false
    }

    /// Why one that has ended did: what it kept is the only thing that may be wrong where it once ran.
    private func startFailure() -> EmbeddedRedisError {
        let lines = (try? String(contentsOfFile: log, encoding: .utf8))?.split(separator: "\n").suffix(8) ?? []
        // Redis marks what is wrong with a #.
        let isDamaged = lines.contains {
            $0.contains(" # ") && ($0.contains("append only file") || $0.contains("AOF"))
        }
        return keepsData && isDamaged
            ? .damagedFile(directory: "\(directory)/\(Self.folder)", log: log) : .didNotStart(log: log)
    }

    // MARK: - While it runs

    /// Starts it again whenever it dies, until `stop`. Its clients find it on the same socket.
    func keepAlive() async {
        var failures = 0
        var startedAt = ContinuousClock.now
        for await status in ends {
            guard !state.withLockedValue({ $0.isStopping }) else { return }
            failures = ContinuousClock.now - startedAt < Self.goodLife ? failures + 1 : 1
            logger.error(
                "the embedded Redis has died and is started again", metadata: ["status": "\(status)", "log": "\(log)"])
            while true {
                try? await Task.sleep(for: Duration(Self.backoff.delay(attempt: failures)))
                guard !Task.isCancelled else { return }
                startedAt = .now
                if launchAgain() { break }
                failures += 1
            }
        }
    }

    /// - Returns: false when it could not even be tried.
    private func launchAgain() -> Bool {
        state.withLockedValue { state in
            guard !state.isStopping else { return true }
            do {
                state.process = try Self.launch(executable, socket, directory, keepsData: keepsData, tellEnd)
                state.restarts += 1
                return true
            } catch {
                logger.error("redis-server cannot be started", metadata: ["error": "\(error)"])
                return false
            }
        }
    }

    /// Ends it and waits for it, at most five seconds, then kills it.
    func stop() async {
        let process = state.withLockedValue { state in
            state.isStopping = true
            return state.process
        }
        if process.isRunning { process.terminate() }
        for _ in 0..<500 where process.isRunning {
            try? await Task.sleep(for: .milliseconds(10))
        }
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        tellEnd.finish()
        try? FileManager.default.removeItem(atPath: socket)
        close(lock)
    }

    // MARK: - The state directory

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

    /// A service that was killed leaves its Redis behind. It is asked to end, so that it writes what it has yet to
    /// write, and killed if it does not: two must never write one file.
    private static func endOrphan(_ directory: String, socket: String) async throws {
        let file = "\(directory)/redis.pid"
        guard let text = try? String(contentsOfFile: file, encoding: .utf8),
            let pid = Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)), pid > 1
        else { return }
        for signal in [SIGTERM, SIGKILL] {
            guard has(socket, pid) else { return }
            kill(pid, signal)
            for _ in 0..<500 where has(socket, pid) { try await Task.sleep(for: .milliseconds(10)) }
        }
        if has(socket, pid) { throw EmbeddedRedisError.orphanLives(pid: pid) }
    }

    /// Whether that process is a Redis with our socket: a pid may be somebody else's by now.
    private static func has(_ socket: String, _ pid: Int32) -> Bool {
        (try? String(contentsOfFile: "/proc/\(pid)/cmdline", encoding: .utf8))?.contains(socket) ?? false
    }
}
