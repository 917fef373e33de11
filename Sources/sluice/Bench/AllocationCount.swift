import Foundation

/// Counts what a service allocates: a library preloaded into it adds each allocation up in memory shared with this
/// process.
final class AllocationCount {
    private let folder: URL
    private let page: UnsafeMutableRawPointer
    private static let bytes = MemoryLayout<UInt64>.size

    /// What the service is to be started with.
    let environment: [String: String]

    /// - Parameters:
    ///   - program: the name of the one that is counted; what runs it, and what it runs, is not.
    ///   - probe: the library, if not the one that was built.
    /// - Throws: a `Failure` where the library was not built.
    init(of program: String = "sluiced", probe: String? = nil) throws {
        let probe = try probe ?? BenchProbe.library()
        let folder = try TemporaryFolder.make()
        let file = folder.appendingPathComponent("allocations")
        try Data(count: Self.bytes).write(to: file)
        let descriptor = open(file.path, O_RDWR | O_CLOEXEC)
        defer { close(descriptor) }
        guard let page = mmap(nil, Self.bytes, PROT_READ, MAP_SHARED, descriptor, 0), page != MAP_FAILED else {
            throw Failure(.internalFailure, "cannot map \(file.path): \(String(cString: strerror(errno)))")
        }
        self.folder = folder
        self.page = page
        environment = [
            "LD_PRELOAD": probe, "SLUICE_ALLOCATIONS_FILE": file.path, "SLUICE_ALLOCATIONS_PROGRAM": program,
        ]
    }

    deinit {
        munmap(page, Self.bytes)
        try? FileManager.default.removeItem(at: folder)
    }

    /// Since the service was started.
    var allocations: UInt64 { page.load(as: UInt64.self) }
}

/// The library of target CBenchProbe.
enum BenchProbe {
    static let name = "libsluice-bench-probe.so"

    static func library() throws -> String {
        do {
            return try BuildFolder.program(name).path
        } catch {
            throw Failure(.internalFailure, "not built: swift build -c release --product sluice-bench-probe")
        }
    }
}
