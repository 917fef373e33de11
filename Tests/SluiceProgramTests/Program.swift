import Foundation

/// One of this package's programs, or another one, run to its end.
struct Program {
    struct Outcome {
        var status: Int32
        var output: String
        var errors: String

        var outputLines: [String] { output.split(separator: "\n").map(String.init) }
        var errorLines: [String] { errors.split(separator: "\n").map(String.init) }

        /// The output, read as JSON.
        func json() throws -> JSONValue { try JSONValue(output) }
    }

    /// The folder with this test bundle, and the programs it was built with.
    static let buildFolder = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent()

    static let fixtures = Bundle.module.resourceURL!.appendingPathComponent("Fixtures")

    var executable: URL

    static let sluice = Program(executable: buildFolder.appendingPathComponent("sluice"))
    static let sluiced = Program(executable: buildFolder.appendingPathComponent("sluiced"))

    /// A program found on the PATH.
    static func onPath(_ name: String) -> Program? {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        return path.split(separator: ":").lazy.map { URL(fileURLWithPath: "\($0)/\(name)") }
            .first { FileManager.default.isExecutableFile(atPath: $0.path) }
            .map { Program(executable: $0) }
    }

    /// Runs it and waits. The output goes over files, so that no pipe can fill up.
    ///
    /// - Parameter environment: beside what any program needs; nothing else of this process's own is passed on.
    func run(_ arguments: [String], input: String = "", environment: [String: String] = [:]) throws -> Outcome {
        let folder = try TemporaryFolder()
        let files = try ["in", "out", "err"].map { name in
            let file = folder.url.appendingPathComponent(name)
            try Data(name == "in" ? Array(input.utf8) : []).write(to: file)
            return file
        }
        let process = process(arguments, environment: environment)
        process.standardInput = try FileHandle(forReadingFrom: files[0])
        process.standardOutput = try FileHandle(forWritingTo: files[1])
        process.standardError = try FileHandle(forWritingTo: files[2])
        try process.run()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationStatus,
            output: try String(contentsOf: files[1], encoding: .utf8),
            errors: try String(contentsOf: files[2], encoding: .utf8)
        )
    }

    func process(_ arguments: [String], environment: [String: String]) -> Process {
        let process = Process()
        process.executableURL = executable
        process.arguments = arguments
        let inherited = ProcessInfo.processInfo.environment
        var own = ["PATH": inherited["PATH"] ?? "/usr/bin:/bin", "HOME": inherited["HOME"] ?? "/"]
        own.merge(environment) { _, new in new }
        process.environment = own
        return process
    }
}

/// A folder that goes away with its owner.
final class TemporaryFolder {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent(
            "sluice-test-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(at: url)
    }

    /// Writes a file and returns its path.
    func file(_ name: String, _ text: String) throws -> String {
        let file = url.appendingPathComponent(name)
        try Data(text.utf8).write(to: file)
        return file.path
    }
}
