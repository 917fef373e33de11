import Foundation
import NIOConcurrencyHelpers
import SluiceClient
import SluiceWire
import TestSupport
import Testing

/// Three instances that share a Redis, and callers who know all three.
@Suite("Instances go, callers stay", .timeLimit(.minutes(2)))
struct RollingRestartTests {
    private static let merchants = 6

    private struct Tally {
        var admitted = 0
        var answers = 0
        var policy = 0
        var failures: [String] = []
    }

    private struct Fleet {
        let redis: RedisServer
        let limits: String

        func socket(_ number: Int) -> String { "\(redis.folder)/\(number).sock" }

        func start(_ number: Int) async throws -> ServiceProcess {
            try await ServiceProcess.start(
                limits: limits, redis: "unix://\(redis.socket)", ["--listen", "unix:\(socket(number))"])
        }

        /// Each caller begins with another instance.
        func client(_ number: Int) -> SluiceClient {
            let endpoints = (0..<3).map { Endpoint.unix(path: socket((number + $0) % 3)) }
            var configuration = SluiceClient.Configuration(endpoint: endpoints[0])
            configuration.otherEndpoints = Array(endpoints.dropFirst())
            configuration.deadline = .seconds(2)
            return SluiceClient(configuration)
        }
    }

    private static func limits(_ max: Int) -> String {
        """
        version: 1
        rules:
          - { name: orders, check: checkout, per: [merchant], limits: [ { max: \(max), window: 1h } ] }

        """
    }

    /// Asks from six tasks, two for each client, while `body` runs.
    ///
    /// - Parameter tries: of one call, with an event id so that it is counted once however often it is sent.
    private static func ask(_ fleet: Fleet, tries: Int, while body: () async throws -> Void) async throws -> Tally {
        let (tally, isOver) = (NIOLockedValueBox(Tally()), Flag())
        let clients = (0..<3).map(fleet.client)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<merchants {
                group.addTask {
                    var call = 0
                    while !isOver.isSet {
                        call += 1
                        var request = WireCheckRequest(
                            action: "checkout", entities: [WireEntity("merchant", "m\(number)")])
                        if tries > 1 { request.eventID = Data("\(number)/\(call)".utf8) }
                        var problem = ""
                        for _ in 0..<tries {
                            do throws(SluiceClientError) {
                                let answer = try await clients[number % 3].check(request)
                                tally.withLockedValue {
                                    $0.answers += 1
                                    if answer.basis == .policy { $0.policy += 1 }
                                    if answer.verdict == .allow, answer.basis == .redis { $0.admitted += 1 }
                                }
                                problem = ""
                                break
                            } catch {
                                problem = "\(error)"
                            }
                        }
                        if !problem.isEmpty { tally.withLockedValue { [problem] in $0.failures.append(problem) } }
                    }
                }
            }
            do {
                try await body()
            } catch {
                isOver.set()
                throw error
            }
            isOver.set()
            try await group.waitForAll()
        }
        for client in clients { await client.shutdown() }
        return tally.withLockedValue { $0 }
    }

    /// What is counted of all merchants.
    private static func used(_ service: ServiceProcess) async throws -> [UInt64] {
        try await service.withClient("admin") { client in
            var used: [UInt64] = []
            for number in 0..<merchants {
                let request = WireInspectRequest.with { $0.entities = [WireEntity("merchant", "m\(number)")] }
                used.append(try await client.inspect(request).usages.first?.used ?? 0)
            }
            return used
        }
    }

    @Test("Three instances are restarted one after the other under load: no call is lost, none is counted twice")
    func rolling() async throws {
        let fleet = Fleet(redis: try RedisServer(), limits: Self.limits(10_000_000))
        var services: [ServiceProcess] = []
        for number in 0..<3 { services.append(try await fleet.start(number)) }
        let tally = try await Self.ask(fleet, tries: 1) {
            for number in 0..<3 {
                try await Task.sleep(for: .milliseconds(300))
                services[number].signal(SIGTERM)
                #expect(await services[number].exitStatus() == 0)
                services[number] = try await fleet.start(number)
            }
            try await Task.sleep(for: .milliseconds(300))
        }
        print("rolling restart: \(tally.answers) answers, \(tally.policy) by policy")
        #expect(tally.failures == [])
        #expect(tally.policy == 0)
        #expect(tally.answers > 500)
        #expect(try await Self.used(services[0]).reduce(0, +) == UInt64(tally.answers))
    }

    @Test("An instance is killed under load: callers try again elsewhere, and nothing over the limit is admitted")
    func killed() async throws {
        let max = 100
        let fleet = Fleet(redis: try RedisServer(), limits: Self.limits(max))
        var services: [ServiceProcess] = []
        for number in 0..<3 { services.append(try await fleet.start(number)) }
        let tally = try await Self.ask(fleet, tries: 3) {
            for number in [1, 2] {
                try await Task.sleep(for: .milliseconds(150))
                services[number].signal(SIGKILL)
                _ = await services[number].exitStatus()
                try await Task.sleep(for: .milliseconds(150))
                services[number] = try await fleet.start(number)
            }
            try await Task.sleep(for: .milliseconds(1_500))
        }
        print("killed: \(tally.answers) answers, \(tally.admitted) admitted, \(tally.policy) by policy")
        #expect(tally.failures == [])
        let used = try await Self.used(services[0])
        #expect(used.allSatisfy { $0 == UInt64(max) }, "\(used)")
        // A retry with its event id is told the first verdict, so no admitted one is missing either.
        #expect(tally.admitted == max * Self.merchants)
    }
}
