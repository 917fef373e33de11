import Foundation
import NIOConcurrencyHelpers
import SluiceClient
import SluiceWire
import TestSupport
import Testing

/// Callers that ask without a pause, and what became of their calls.
private struct Callers {
    struct Tally {
        var answers = 0
        var failures: [String] = []
        /// How often a caller's answers went back to an older generation.
        var steppedBack = 0
        var verdicts: [UInt64: Set<WireVerdict>] = [:]
    }

    private let tally = NIOLockedValueBox(Tally())
    private let isEnding = NIOLockedValueBox(false)

    /// Asks from several tasks while `body` runs.
    func ask(at endpoint: Endpoint, while body: () async throws -> Void) async throws -> Tally {
        var configuration = SluiceClient.Configuration(endpoint: endpoint)
        configuration.deadline = .seconds(5)
        let client = SluiceClient(configuration)
        let (tally, isEnding) = (tally, isEnding)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<8 {
                group.addTask {
                    var last: UInt64 = 0
                    while !isEnding.withLockedValue({ $0 }) {
                        let request = WireCheckRequest(
                            action: "checkout", entities: [WireEntity("merchant", "m\(number)")])
                        do {
                            let answer = try await client.check(request)
                            let generation = answer.generation
                            tally.withLockedValue {
                                $0.answers += 1
                                if generation < last { $0.steppedBack += 1 }
                                $0.verdicts[generation, default: []].insert(answer.verdict)
                            }
                            last = generation
                        } catch {
                            tally.withLockedValue { $0.failures.append("\(error)") }
                        }
                    }
                }
            }
            do {
                try await body()
            } catch {
                isEnding.withLockedValue { $0 = true }
                throw error
            }
            isEnding.withLockedValue { $0 = true }
            try await group.waitForAll()
        }
        await client.shutdown()
        return tally.withLockedValue { $0 }
    }
}

@Suite("What operators do while callers ask", .timeLimit(.minutes(2)))
struct UnderLoadTests {
    private static func limits(_ max: Int) -> String {
        """
        version: 1
        rules:
          - { name: orders, check: checkout, per: [merchant], limits: [ { max: \(max), window: 1h } ] }

        """
    }

    @Test(
        "Limits that are edited again and again: every call is answered, by one generation, the newest first asked of")
    func edits() async throws {
        let service = try await ServiceProcess.start(
            limits: Self.limits(10_000_000), settings: "reload: { spread: 0s }\n", ["--threads", "2"])
        let tally = try await Callers().ask(at: try service.endpoint("data")) {
            for round in 1...8 {
                // Even generations admit nobody, odd ones everybody.
                try service.write(limits: Self.limits(round.isMultiple(of: 2) ? 10_000_000 + round : 0))
                if round > 4 {
                    // Asked for as well as watched: whichever comes first.
                    _ = try await service.withClient("admin") { try await $0.reload() }
                } else {
                    for _ in 0..<200 {
                        let rules = try await service.withClient("admin") { try await $0.rules() }
                        if rules.generation >= UInt64(round + 1) { break }
                        try await Task.sleep(for: .milliseconds(20))
                    }
                }
                try await Task.sleep(for: .milliseconds(100))
            }
        }
        #expect(tally.failures == [])
        #expect(tally.answers > 500)
        #expect(tally.steppedBack == 0)
        #expect(tally.verdicts.count >= 8)
        for (_, verdicts) in tally.verdicts { #expect(verdicts.count == 1) }
        // What was admitted is counted, whatever was edited meanwhile.
        let usages = try await service.withClient("admin") { client in
            try await client.inspect(WireInspectRequest.with { $0.entities = [WireEntity("merchant", "m0")] }).usages
        }
        #expect((usages.first?.used ?? 0) > 10)
    }

    @Test("SIGTERM while callers ask: every call is answered, by the old instance or by the new one")
    func rollingRestart() async throws {
        let redis = try RedisServer()
        let socket = "\(redis.folder)/data.sock"
        func start() async throws -> ServiceProcess {
            try await ServiceProcess.start(
                limits: Self.limits(1_000_000), redis: "unix://\(redis.socket)", ["--listen", "unix:\(socket)"])
        }
        var service = try await start()
        let tally = try await Callers().ask(at: .unix(path: socket)) {
            for _ in 0..<3 {
                try await Task.sleep(for: .milliseconds(300))
                service.signal(SIGTERM)
                let next = try await start()
                let status = await service.exitStatus()
                #expect(status == 0)
                service = next
            }
            try await Task.sleep(for: .milliseconds(300))
        }
        #expect(tally.failures == [])
        #expect(tally.answers > 500)
        // Nothing was counted twice and nothing was lost.
        var used: UInt64 = 0
        for number in 0..<8 {
            used += try await service.withClient("admin") { client in
                try await client.inspect(
                    WireInspectRequest.with { $0.entities = [WireEntity("merchant", "m\(number)")] }
                )
                .usages.first?.used ?? 0
            }
        }
        #expect(used == UInt64(tally.answers))
    }

    @Test("While it drains, the service says that it is not ready, and answers what it has read")
    func notReady() async throws {
        let service = try await ServiceProcess.start(limits: Self.limits(10), ["--http", "127.0.0.1:0"])
        let http = "http://\(service.address("http"))"
        #expect(try MetricsTests.get("\(http)/readyz", "-o", "/dev/null", "-w", "%{http_code}") == "200")
        // An idle connection is told to go and given a second to do so: long enough to look.
        let idle = try RawConnection(service.endpoint("data"))
        idle.send(Array("SLUICE".utf8) + [0, 1])
        try await Task.sleep(for: .milliseconds(100))
        service.signal(SIGTERM)
        try await Task.sleep(for: .milliseconds(300))
        #expect(try MetricsTests.get("\(http)/readyz", "-o", "/dev/null", "-w", "%{http_code}") == "503")
        #expect(await service.exitStatus() == 0)
        _ = idle
    }
}
