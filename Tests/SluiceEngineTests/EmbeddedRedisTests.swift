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
}
