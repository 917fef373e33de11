import Foundation
import SluiceWire

/// A `sluiced` of its own for one benchmark: another process, with a private Redis and a state directory that goes
/// with it.
final class BenchService {
    private static let patience = Duration.seconds(20)

    let endpoint: Endpoint
    let pid: Int32
    let redisPID: Int32
    let redisSocket: String
    private let process: Process
    private let folder: URL

    /// Starts the `sluiced` that lies beside this program, and waits until it is ready.
    ///
    /// - Parameter limits: the text of its limits file.
    /// - Throws: a `Failure` that says what kept it from starting.
    static func start(limits: String, threads: Int) throws -> BenchService {
        let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        let sluiced = program.deletingLastPathComponent().appendingPathComponent("sluiced")
        guard FileManager.default.isExecutableFile(atPath: sluiced.path) else {
            throw Failure(.internalFailure, "there is no sluiced beside \(program.path); build it first")
        }
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("sluice-bench-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        do {
            return try BenchService(sluiced, folder: folder, limits: limits, threads: threads)
        } catch {
            try? FileManager.default.removeItem(at: folder)
            throw error
        }
    }

    private init(_ sluiced: URL, folder: URL, limits: String, threads: Int) throws {
        self.folder = folder
        let limitsFile = folder.appendingPathComponent("limits.yaml")
        try Data(limits.utf8).write(to: limitsFile)
        let log = folder.appendingPathComponent("sluiced.log")
        try Data().write(to: log)

        process = Process()
        process.executableURL = sluiced
        process.arguments = [
            "--limits", limitsFile.path, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0",
            "--admin", "unix:\(folder.path)/admin.sock", "--state-dir", folder.path, "--threads", "\(threads)",
        ]
        let output = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = try FileHandle(forWritingTo: log)
        try process.run()
        pid = process.processIdentifier

        let line = Self.firstLine(of: output.fileHandleForReading.fileDescriptor)
        let words = line?.split(separator: " ") ?? []
        guard words.first == "ready",
            let data = words.first(where: { $0.hasPrefix("data=") }),
            let endpoint = try? Endpoint(String(data.dropFirst(5))),
            let redisPID = readSmallFile("\(folder.path)/redis.pid")
                .flatMap({ Int32($0.trimmingCharacters(in: .whitespacesAndNewlines)) })
        else {
            process.terminate()
            process.waitUntilExit()
            let reason = readSmallFile(log.path) ?? ""
            throw Failure(.internalFailure, "sluiced did not start\n\(reason)")
        }
        self.endpoint = endpoint
        self.redisPID = redisPID
        redisSocket = "\(folder.path)/redis.sock"
    }

    /// Ends the service, and its Redis with it.
    func stop() {
        process.terminate()
        process.waitUntilExit()
        try? FileManager.default.removeItem(at: folder)
    }

    /// What is written to a pipe until its first line feed; nil if that takes too long or never comes.
    private static func firstLine(of descriptor: Int32) -> String? {
        let end = ContinuousClock.now + patience
        var line: [UInt8] = []
        while ContinuousClock.now < end {
            var query = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&query, 1, 100) > 0 else { continue }
            var byte: UInt8 = 0
            guard read(descriptor, &byte, 1) == 1 else { return nil }
            if byte == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
            line.append(byte)
        }
        return nil
    }
}
