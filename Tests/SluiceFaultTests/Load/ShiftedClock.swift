import Foundation

/// A wall clock for one process that a test moves, by a library that is preloaded into it (libfaketime cannot be: it
/// needs memory before jemalloc, which Debian's Redis is built with, has any to give).
final class ShiftedClock: Sendable {
    struct NotBuilt: Error, CustomStringConvertible {
        let description = "build it: swift build --product sluice-test-clock"
    }

    private let file = "/tmp/sluice-test-\(UUID().uuidString.prefix(8)).clock"
    private let library = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent().appendingPathComponent("libsluice-test-clock.so").path

    init() throws {
        guard FileManager.default.fileExists(atPath: library) else { throw NotBuilt() }
        try Data(count: 8).write(to: URL(fileURLWithPath: file))
    }

    deinit { try? FileManager.default.removeItem(atPath: file) }

    /// Moves the clock to so far from the true one, from its next reading on.
    func shift(seconds: Int) throws {
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: file))
        try withUnsafeBytes(of: Int64(seconds)) { try handle.write(contentsOf: Data($0)) }
        try handle.close()
    }

    /// Of the process whose clock it is.
    var environment: [String: String] { ["LD_PRELOAD": library, "SLUICE_TEST_CLOCK": file] }
}
