import Foundation
import SluiceWire

/// A `sluiced` of its own for one benchmark: another process, with a state directory that goes with it.
final class BenchService {
    /// A Redis on a Unix socket.
    struct Redis: Sendable {
        var socket: String
        var pid: Int32
    }

    enum SocketKind {
        case tcp
        case unix
    }

    struct Setup {
        /// The text of its limits file.
        var limits: String
        var threads = 1
        /// Where it takes requests.
        var socketKind = SocketKind.tcp
        /// Nil: a private one.
        var redis: Redis?
        /// The program that runs it, with its arguments.
        var wrapper: [String] = []
        /// Nil: the one beside this program.
        var sluiced: URL?
        /// Beside what this process has.
        var environment: [String: String] = [:]
    }

    /// Decisions are to be measured, not fallbacks: neither a machine that is busy for a while nor one connection with all
    /// the requests is to be taken for a fault.
    private static let patientSettings = ["SLUICE_DEADLINE_DEFAULT": "1s", "SLUICE_BOUNDS_FAIR_ABOVE": "1000000"]
    /// A start takes less than a second; under valgrind, on a machine that does other things too, more than a minute.
    private static let patience = Duration.seconds(300)

    let endpoint: Endpoint
    let pid: Int32
    let redis: Redis
    private let process: Process
    private let folder: URL

    var target: Load.Target { .init(endpoint: endpoint, servicePID: pid, redisPID: redis.pid) }

    /// Starts it, and waits until it is ready.
    ///
    /// - Throws: a `Failure` that says what kept it from starting.
    static func start(_ setup: Setup) throws -> BenchService {
        let sluiced = try setup.sluiced ?? BuildFolder.program("sluiced")
        let folder = try TemporaryFolder.make()
        do {
            return try BenchService(sluiced, folder: folder, setup)
        } catch {
            try? FileManager.default.removeItem(at: folder)
            throw error
        }
    }

    private init(_ sluiced: URL, folder: URL, _ setup: Setup) throws {
        self.folder = folder
        let limitsFile = folder.appendingPathComponent("limits.yaml")
        try Data(setup.limits.utf8).write(to: limitsFile)
        let log = folder.appendingPathComponent("sluiced.log")
        try Data().write(to: log)

        process = Process()
        let listen =
            switch setup.socketKind {
            case .tcp: "127.0.0.1:0"
            case .unix: "unix:\(folder.path)/data.sock"
            }
        var command = setup.wrapper + [sluiced.path]
        command += [
            "--limits", limitsFile.path, "--listen", listen, "--http", "127.0.0.1:0",
            "--admin", "unix:\(folder.path)/admin.sock", "--state-dir", folder.path, "--threads", "\(setup.threads)",
        ]
        if let redis = setup.redis { command += ["--redis", "unix://\(redis.socket)"] }
        process.executableURL = URL(fileURLWithPath: command[0])
        process.arguments = Array(command.dropFirst())
        process.environment = ProcessInfo.processInfo.environment
            .merging(Self.patientSettings) { _, new in new }
            .merging(setup.environment) { _, new in new }
        let output = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = try FileHandle(forWritingTo: log)
        try process.run()
        pid = process.processIdentifier

        var lines = PipeLines(output.fileHandleForReading.fileDescriptor)
        let words = lines.next(within: Self.patience)?.split(separator: " ") ?? []
        guard words.first == "ready",
            let data = words.first(where: { $0.hasPrefix("data=") }),
            let endpoint = try? Endpoint(String(data.dropFirst(5))),
            let redis = setup.redis ?? Self.privateRedis(folder)
        else {
            process.terminate()
            process.waitUntilExit()
            throw Failure(.internalFailure, "sluiced did not start\n\(readSmallFile(log.path) ?? "")")
        }
        self.endpoint = endpoint
        self.redis = redis
    }

    private static func privateRedis(_ folder: URL) -> Redis? {
        readSmallFile("\(folder.path)/redis.pid")
            .flatMap { Int32($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
            .map { Redis(socket: "\(folder.path)/redis.sock", pid: $0) }
    }

    /// Ends the service, and a private Redis with it.
    func stop() {
        process.terminate()
        process.waitUntilExit()
        try? FileManager.default.removeItem(at: folder)
    }
}

/// The folder with this program and those built with it.
enum BuildFolder {
    static func program(_ name: String) throws -> URL {
        let folder = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        let program = folder.appendingPathComponent(name)
        guard FileManager.default.fileExists(atPath: program.path) else {
            throw Failure(.internalFailure, "there is no \(name) in \(folder.path); build it first")
        }
        return program
    }
}

enum TemporaryFolder {
    static func make() throws -> URL {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("sluice-bench-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }
}
