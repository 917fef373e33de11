import Foundation

/// A program that runs under valgrind's callgrind, which counts its instructions.
struct CallgrindProcess {
    let pid: Int32
    private let counts: String
    private var dumps = 0

    /// What comes before the program and its arguments, and the file that counts go to.
    static func wrapper(counts: URL) -> [String] {
        ["/usr/bin/env", "valgrind", "--tool=callgrind", "--callgrind-out-file=\(counts.path)"]
    }

    /// - Parameter counts: as the wrapper has it.
    init(pid: Int32, counts: URL) {
        self.pid = pid
        self.counts = counts.path
    }

    /// Instructions in user space since the last call, of all threads, or since the program began.
    mutating func instructions() throws -> Double {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["vgdb", "--pid=\(pid)", "dump"]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        dumps += 1
        guard process.terminationStatus == 0,
            let dump = try? String(contentsOfFile: "\(counts).\(dumps)", encoding: .utf8),
            let line = dump.split(separator: "\n").first(where: { $0.hasPrefix("totals: ") }),
            let total = Double(line.dropFirst(8))
        else { throw Failure(.internalFailure, "valgrind did not tell its counts: is vgdb installed?") }
        return total
    }
}
