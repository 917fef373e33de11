import Foundation
import NIOCore

/// What one decision of the standard work costs in things that can be counted, which a busy machine does not change.
///
/// Requests go out over one connection, so many at once, and the next only when all are answered: so the service makes
/// the same runs of the same requests each time. Between two counts lies a fixed number of decisions, so that starting
/// and filling do not count.
struct DecisionCosts: Sendable {
    struct Cost: Sendable {
        var name: String
        var perDecision: Double
    }

    /// In the order they are shown.
    var all: [Cost]

    /// Requests at once, and decisions counted.
    private static let steps = [(atOnce: 64, decisions: 12_800), (atOnce: 1, decisions: 3_000)]
    private static let entities = 5_000

    static func measure(from loops: any EventLoopGroup) async throws -> DecisionCosts {
        try needPrograms("valgrind", "vgdb", "strip", "redis-server", "redis-cli")
        let folder = try TemporaryFolder.make()
        defer { try? FileManager.default.removeItem(at: folder) }
        return DecisionCosts(all: try await count(in: folder, from: loops))
    }

    private static func needPrograms(_ names: String...) throws {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        for name in names {
            let isThere = path.split(separator: ":").contains {
                FileManager.default.isExecutableFile(atPath: "\($0)/\(name)")
            }
            guard isThere else {
                throw Failure(
                    .internalFailure,
                    "there is no \(name) on the PATH (Debian: apt-get install valgrind binutils redis-server redis-tools)"
                )
            }
        }
    }

    private static func count(in folder: URL, from loops: any EventLoopGroup) async throws -> [Cost] {
        let redisCounts = folder.appendingPathComponent("redis.counts")
        let (redis, redisProcess) = try await startRedis(in: folder, counts: redisCounts)
        defer { redisProcess.kill() }
        let allocations = try AllocationCount(probe: stripped(BenchProbe.name, into: folder).path)
        let serviceCounts = folder.appendingPathComponent("service.counts")
        let service = try BenchService.start(
            .init(
                limits: StandardWork.limits(), redis: redis,
                wrapper: CallgrindProcess.wrapper(counts: serviceCounts),
                sluiced: try stripped("sluiced", into: folder),
                // Without the library valgrind does not survive a Swift server; and a second may be short under it.
                environment: allocations.environment.merging([
                    "SLUICE_DEADLINE_MAX": "60s", "SLUICE_DEADLINE_DEFAULT": "60s",
                ]) { $1 }))
        defer { service.stop() }
        var counters = [
            ("service", CallgrindProcess(pid: service.pid, counts: serviceCounts)),
            ("redis", CallgrindProcess(pid: redis.pid, counts: redisCounts)),
        ]
        try await Playing.once(.allowed, 0..<entities, at: service.target, from: loops)
        var costs: [Cost] = []
        for step in steps {
            try await play(step.atOnce, requests: step.decisions / 10, seed: 1, at: service, from: loops)
            for index in counters.indices { _ = try counters[index].1.instructions() }
            let allocationsBefore = allocations.allocations
            try await play(step.atOnce, requests: step.decisions, seed: 2, at: service, from: loops)
            let allocated = allocations.allocations - allocationsBefore
            for index in counters.indices {
                let count = try counters[index].1.instructions()
                costs.append(
                    .init(
                        name: "\(counters[index].0)_instructions_\(step.atOnce)_at_once",
                        perDecision: count / Double(step.decisions)))
            }
            costs.append(
                .init(
                    name: "allocations_\(step.atOnce)_at_once",
                    perDecision: Double(allocated) / Double(step.decisions)))
        }
        return costs
    }

    /// A copy that valgrind can run: 3.19 cannot read the debugging information that Swift and its clang write.
    private static func stripped(_ name: String, into folder: URL) throws -> URL {
        let copy = folder.appendingPathComponent(name)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["strip", "--strip-debug", "-o", copy.path, try BuildFolder.program(name).path]
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure(.internalFailure, "strip failed on \(name)") }
        return copy
    }

    private static func startRedis(in folder: URL, counts: URL) async throws -> (BenchService.Redis, Process) {
        let socket = "\(folder.path)/redis.sock"
        let command =
            CallgrindProcess.wrapper(counts: counts) + [
                "redis-server", "--port", "0", "--unixsocket", socket, "--dir", folder.path, "--save", "",
                "--appendonly", "no", "--daemonize", "no", "--logfile", "\(folder.path)/redis.log",
            ]
        let process = Process()
        process.executableURL = URL(fileURLWithPath: command[0])
        process.arguments = Array(command.dropFirst())
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        for _ in 0..<3_000 where process.isRunning {
            if FileManager.default.fileExists(atPath: socket) {
                return (BenchService.Redis(socket: socket, pid: process.processIdentifier), process)
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        process.kill()
        throw Failure(.internalFailure, "redis-server did not start under valgrind")
    }

    private static func play(
        _ atOnce: Int,
        requests: Int,
        seed: UInt64,
        at service: BenchService,
        from loops: any EventLoopGroup
    ) async throws {
        let choice = EntityChoice(.random(below: entities), requests: requests, seed: seed)
        let tally = try await Playing.open([choice], inFlight: atOnce, at: service.target, from: loops) { _ in .inStep }
            .tally()
        guard tally.exceptions == 0 else {
            throw Failure(
                .internalFailure, "\(tally.exceptions) answers were not allowed by Redis: these counts are void")
        }
    }
}
