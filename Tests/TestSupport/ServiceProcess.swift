import Foundation

/// A `sluiced` of a test's own, in a folder of its own, gone when this object is.
public final class ServiceProcess: Sendable {
    public struct DidNotStart: Error, CustomStringConvertible {
        public var description: String

        public init(description: String) { self.description = description }
    }

    /// The program beside this test bundle.
    public static let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent().appendingPathComponent("sluiced")

    public let folder: String
    /// What it said when it could answer.
    public let readyLine: String
    private let process: Process

    /// Starts it on ports that are free, and waits until it can answer.
    ///
    /// - Parameters:
    ///   - limits: a limits file's text.
    ///   - redis: a Redis URL; nil: a private one.
    ///   - settings: a settings file's text.
    ///   - environment: in place of this process's own.
    ///   - openFiles: its limit of them; nil: this process's own.
    public static func start(
        limits: String,
        redis: String? = nil,
        settings: String = "",
        environment: [String: String]? = nil,
        openFiles: Int? = nil,
        _ arguments: [String] = []
    ) async throws -> ServiceProcess {
        let folder = "/tmp/sluice-test-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for (name, text) in [("limits.yaml", limits), ("settings.yaml", settings), ("out", ""), ("log", "")] {
            try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
        }
        let process = Process()
        process.executableURL = openFiles == nil ? program : URL(fileURLWithPath: "/usr/bin/prlimit")
        process.arguments =
            (openFiles.map { ["--nofile=\($0):\($0)", program.path] } ?? []) + [
                "--config", "\(folder)/settings.yaml", "--limits", "\(folder)/limits.yaml", "--listen", "127.0.0.1:0",
                "--http", "off", "--state-dir", folder,
            ] + (redis.map { ["--redis", $0] } ?? []) + arguments
        if let environment { process.environment = environment }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle(forWritingAtPath: "\(folder)/out")
        process.standardError = FileHandle(forWritingAtPath: "\(folder)/log")
        try process.run()
        var said = ""
        for _ in 0..<2_000 where process.isRunning && !said.hasSuffix("\n") {
            try await Task.sleep(for: .milliseconds(5))
            said = (try? String(contentsOfFile: "\(folder)/out", encoding: .utf8)) ?? ""
        }
        let service = ServiceProcess(folder: folder, readyLine: String(said.dropLast()), process: process)
        guard said.hasPrefix("ready ") else { throw DidNotStart(description: service.log) }
        return service
    }

    private init(folder: String, readyLine: String, process: Process) {
        self.folder = folder
        self.readyLine = readyLine
        self.process = process
    }

    deinit {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        if let pid = redisPID { kill(pid, SIGKILL) }
        try? FileManager.default.removeItem(atPath: folder)
    }

    public var processIdentifier: Int32 { process.processIdentifier }
    public var isRunning: Bool { process.isRunning }
    /// Of its private Redis, if it has one.
    public var redisPID: Int32? {
        (try? String(contentsOfFile: "\(folder)/redis.pid", encoding: .utf8))
            .flatMap { Int32($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
    }
    public var log: String { (try? String(contentsOfFile: "\(folder)/log", encoding: .utf8)) ?? "" }

    /// A word of the ready line, such as `data`.
    public func address(_ name: String) -> String {
        let word = readyLine.split(separator: " ").first { $0.hasPrefix("\(name)=") }
        return word.map { String($0.dropFirst(name.count + 1)) } ?? ""
    }

    public var residentBytes: Int {
        let status = (try? String(contentsOfFile: "/proc/\(processIdentifier)/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return (line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 1_024
    }

    /// Writes its limits file anew.
    public func write(limits: String) throws {
        try Data(limits.utf8).write(to: URL(fileURLWithPath: "\(folder)/limits.yaml"))
    }

    /// Changes how many files it may open. Those that are open stay.
    public func limit(openFiles: Int) throws {
        let command = Process()
        command.executableURL = URL(fileURLWithPath: "/usr/bin/prlimit")
        // The soft limit alone: it is to be raised again.
        command.arguments = ["--pid", "\(processIdentifier)", "--nofile=\(openFiles):"]
        try command.run()
        command.waitUntilExit()
    }

    /// Sends a signal and returns at once.
    public func signal(_ number: Int32) { kill(processIdentifier, number) }

    /// Waits for its end, at most ten seconds; nil if it still runs.
    public func exitStatus() async -> Int32? {
        for _ in 0..<1_000 where process.isRunning { try? await Task.sleep(for: .milliseconds(10)) }
        return process.isRunning ? nil : process.terminationStatus
    }
}
