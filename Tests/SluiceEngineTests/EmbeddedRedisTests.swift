import Foundation
import SluiceClient
import SluiceWire
import TestSupport
import Testing

/// A service with a Redis of its own, and what may be wrong with it.
@Suite("The private Redis", .timeLimit(.minutes(1)))
struct EmbeddedRedisTests {
    private static let limits = """
        version: 1
        rules:
          - { name: r, check: a, per: [user], limits: [ { max: 5, window: 1m } ] }

        """

    private static func lives(_ pid: Int32) -> Bool {
        // A process that has ended but was not waited for has no command line.
        let line = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") ?? Data()
        return !line.isEmpty
    }

    private static func words(of error: ServiceProcess.DidNotStart?) -> String { error?.description ?? "it started" }

    @Test("Without redis-server it says what to install or which flag to give")
    func notInstalled() async throws {
        let error = await #expect(throws: ServiceProcess.DidNotStart.self) {
            try await ServiceProcess.start(limits: Self.limits, environment: ["PATH": "/nowhere", "HOME": "/tmp"])
        }
        #expect(
            Self.words(of: error).contains(
                "no redis-server on this machine: install it (Debian: apt-get install redis-server), or give one with "
                    + "--redis redis://HOST:PORT"))
    }

    @Test("A state directory serves one service; the second says so and the first goes on")
    func inUse() async throws {
        let first = try await ServiceProcess.start(limits: Self.limits)
        let error = await #expect(throws: ServiceProcess.DidNotStart.self) {
            try await ServiceProcess.start(limits: Self.limits, ["--state-dir", first.folder])
        }
        #expect(
            Self.words(of: error).contains(
                "another sluiced uses the state directory \(first.folder); give this one its own --state-dir"))
        let answer = try await first.withClient { client in
            try await client.check(WireCheckRequest(action: "a", entities: [WireEntity("user", "u")]))
        }
        #expect(answer.basis == .redis)
    }

    @Test("A killed service leaves its Redis behind; the next one on the directory ends it")
    func orphan() async throws {
        let first = try await ServiceProcess.start(limits: Self.limits)
        let orphan = try #require(first.redisPID)
        first.signal(SIGKILL)
        _ = await first.exitStatus()
        #expect(Self.lives(orphan))
        let second = try await ServiceProcess.start(limits: Self.limits, ["--state-dir", first.folder])
        #expect(!Self.lives(orphan))
        let redis = try #require(first.redisPID)
        #expect(redis != orphan && Self.lives(redis))
        second.signal(SIGTERM)
        #expect(await second.exitStatus() == 0)
        #expect(!Self.lives(redis))
    }

    @Test("A state directory that cannot be had is told with its reason")
    func stateDirectory() async throws {
        let error = await #expect(throws: ServiceProcess.DidNotStart.self) {
            try await ServiceProcess.start(limits: Self.limits, ["--state-dir", "/proc/nowhere"])
        }
        #expect(Self.words(of: error).contains("the state directory /proc/nowhere cannot be used: "))
        let long = "/tmp/" + String(repeating: "x", count: 100)
        let tooLong = await #expect(throws: ServiceProcess.DidNotStart.self) {
            try await ServiceProcess.start(limits: Self.limits, ["--state-dir", long])
        }
        #expect(Self.words(of: tooLong).contains("its path is too long for a Unix socket"))
        try? FileManager.default.removeItem(atPath: long)
    }

    // MARK: - What it keeps

    private static let request = WireCheckRequest(action: "a", entities: [WireEntity("user", "u")])

    private static func check(_ client: SluiceClient) async throws -> WireCheckResponse {
        try await client.check(request)
    }

    /// What remains of the limit of five.
    private static func remaining(_ service: ServiceProcess) async throws -> UInt64? {
        let answer = try await service.withClient { client in
            try await client.check(
                WireCheckRequest.with {
                    $0.action = "a"
                    $0.entities = [WireEntity("user", "u")]
                    $0.mode = .peek
                })
        }
        return answer.basis == .redis ? answer.tightest.remaining : nil
    }

    private static func stop(_ service: ServiceProcess) async {
        service.signal(SIGTERM)
        #expect(await service.exitStatus() == 0)
    }

    @Test("Killed, it is started again: answers by policy meanwhile, and the counts are kept")
    func killed() async throws {
        let service = try await ServiceProcess.start(limits: Self.limits)
        let first = try #require(service.redisPID)
        try await service.withClient { client in
            for _ in 0..<3 { #expect(try await Self.check(client).basis == .redis) }
            // What everysec writes each second is in the file by then.
            try await Task.sleep(for: .milliseconds(1_200))
            kill(first, SIGKILL)
            var bases: [WireBasis] = []
            let start = ContinuousClock.now
            while bases.last != .redis, ContinuousClock.now - start < .seconds(5) {
                bases.append(
                    try await client.check(
                        WireCheckRequest.with {
                            $0.action = "a"
                            $0.entities = [WireEntity("user", "other")]
                        }
                    ).basis)
                try await Task.sleep(for: .milliseconds(5))
            }
            #expect(bases.last == .redis)
            #expect(bases.contains(.policy))
            #expect(ContinuousClock.now - start < .seconds(2))
        }
        // The counts of three, and a fourth that is asked about.
        #expect(try await Self.remaining(service) == 2)
        #expect(service.redisPID != first)
        #expect(try await service.stats()["sluice_embedded_redis_restarts_total"] == 1)
        #expect(service.log.contains("the embedded Redis has died and is started again"))
        await Self.stop(service)
        #expect(service.redisPID.map(Self.lives) != true)
    }

    @Test("Counts outlive the service, ended in order or killed")
    func outlives() async throws {
        let first = try await ServiceProcess.start(limits: Self.limits)
        try await first.withClient { _ = try await Self.check($0) }
        await Self.stop(first)
        let second = try await ServiceProcess.start(limits: Self.limits, ["--state-dir", first.folder])
        try await second.withClient { _ = try await Self.check($0) }
        #expect(try await Self.remaining(second) == 3)
        // Its orphan writes what it has yet to write when the next service ends it.
        second.signal(SIGKILL)
        _ = await second.exitStatus()
        let third = try await ServiceProcess.start(limits: Self.limits, ["--state-dir", first.folder])
        #expect(try await Self.remaining(third) == 3)
        await Self.stop(third)
    }

    @Test("An orphan that stands still is killed before the next one uses its file")
    func frozenOrphan() async throws {
        let first = try await ServiceProcess.start(limits: Self.limits)
        let orphan = try #require(first.redisPID)
        first.signal(SIGKILL)
        _ = await first.exitStatus()
        // Not before: the kernel wakes a stopped process that loses its parent.
        kill(orphan, SIGSTOP)
        let second = try await ServiceProcess.start(limits: Self.limits, ["--state-dir", first.folder])
        #expect(!Self.lives(orphan))
        #expect(try await Self.remaining(second) == 5)
        await Self.stop(second)
    }

    @Test("A file cut short is read up to there; a damaged one keeps the service from starting and is told")
    func damaged() async throws {
        let first = try await ServiceProcess.start(limits: Self.limits)
        try await first.withClient { _ = try await Self.check($0) }
        await Self.stop(first)
        let folder = "\(first.folder)/appendonlydir"
        let name = try #require(
            try FileManager.default.contentsOfDirectory(atPath: folder).first { $0.hasSuffix(".incr.aof") })
        let file = URL(fileURLWithPath: "\(folder)/\(name)")
        let whole = try Data(contentsOf: file)
        try (whole + Data("*3\r\n$4\r\nHS".utf8)).write(to: file)
        let second = try await ServiceProcess.start(limits: Self.limits, ["--state-dir", first.folder])
        #expect(try await Self.remaining(second) == 4)
        await Self.stop(second)
        try (Data("rubbish\r\n".utf8) + whole).write(to: file)
        let error = await #expect(throws: ServiceProcess.DidNotStart.self) {
            try await ServiceProcess.start(limits: Self.limits, ["--state-dir", first.folder])
        }
        #expect(Self.words(of: error).contains("redis-server cannot read what it kept in \(folder)"))
        #expect(Self.words(of: error).contains("\(first.folder)/redis.log"))
        #expect(Self.words(of: error).contains("redis-check-aof --fix \(folder)/appendonly.aof.manifest"))
    }
}
