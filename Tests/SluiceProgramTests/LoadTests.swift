import NIOCore
import NIOPosix
import SluiceWire
import Synchronization
import Testing

@testable import sluice

/// Loads against a service that answers as a test tells it to.
@Suite(.serialized) struct LoadTests {
    private func play(
        _ load: Load,
        at service: FakeService,
        knowsVerdicts: Bool = true
    ) async throws -> Load.Result {
        let endpoint = Endpoint.tcp(host: "127.0.0.1", port: service.port)
        return try await load.run(
            at: .init(endpoint: endpoint, knowsVerdicts: knowsVerdicts), from: MultiThreadedEventLoopGroup.singleton,
            warmUp: .milliseconds(100), measured: .seconds(1))
    }

    /// Answers at once but for 400 ms, once, when it answers nothing.
    private func stalling() throws -> FakeService {
        let begin = NIODeadline.now() + .milliseconds(400)
        return try FakeService { _, _ in
            let now = NIODeadline.now()
            let end = begin + .milliseconds(400)
            return .init(WireCheckResponse(), after: now >= begin && now < end ? end - now : .zero)
        }
    }

    @Test("At a rate, a stall counts for every request that was due in it, sent or not", arguments: [1, 1_000])
    func stall(inFlight: Int) async throws {
        let load = Load(connections: 2, inFlight: inFlight, pace: .rate(200))
        let result = try await play(load, at: try stalling())
        let latencies = result.tally.latencies
        // Every request that was due in the second, though in flight there was hardly one of those in the stall.
        #expect(180...220 ~= latencies.totalCount)
        let slow = Double(latencies.count(within: 100_000_000...1_000_000_000)) / Double(latencies.totalCount)
        // Three in ten waited longer than 100 ms.
        #expect(0.2...0.5 ~= slow, "\(slow)")
    }

    @Test("In a closed loop the same stall is one slow answer for each in flight")
    func closedLoop() async throws {
        let result = try await play(Load(connections: 2, inFlight: 1), at: try stalling())
        #expect(result.tally.latencies.count(within: 100_000_000...1_000_000_000) <= 2)
        #expect(result.tally.latencies.totalCount > 100)
    }

    @Test("A service that does not keep the rate leaves requests unsent, and the report says so")
    func overload() async throws {
        let service = try FakeService { _, _ in .init(WireCheckResponse(), after: .milliseconds(20)) }
        let load = Load(connections: 1, inFlight: 2, pace: .rate(1_000))
        let result = try await play(load, at: service)
        #expect(service.mostInFlight <= 2)
        #expect(50...110 ~= result.tally.decisions)
        #expect(result.tally.unsent > 700)
        #expect(900...1_100 ~= result.tally.latencies.totalCount)
        let target = Load.Target(endpoint: .tcp(host: "h", port: 1))
        let played = BenchReport.Played(load: load, target: target, result: result)
        #expect(played.keptRate == false)
        #expect(played.warnings.count == 2)
        #expect(played.warnings[0].contains("the rate was not kept"))
    }

    @Test("Requests are sent at the rate and no faster")
    func pace() async throws {
        let service = try FakeService { _, _ in .init(WireCheckResponse()) }
        let result = try await play(Load(connections: 4, inFlight: 100, pace: .rate(400)), at: service)
        #expect(360...440 ~= result.tally.decisions + result.tally.unsent)
        // A moment without a processor at the very end leaves a few.
        #expect(result.tally.exceptions == 0 && result.tally.unsent < 40)
    }

    @Test("Wrong verdicts, fallbacks and errors are counted apart, each as what it is")
    func exceptions() async throws {
        let turn = Mutex(0)
        let service = try FakeService { _, _ in
            let turn = turn.withLock { turn in
                turn += 1
                return turn
            }
            var response = WireCheckResponse()
            switch turn {
            case 1: response.verdict = .deny
            case 2: response.basis = .policy
            case 3: return .refusal(.resourceExhausted, "no")
            case 4: response.basis = .cache
            default: break
            }
            return .init(response)
        }
        let tally = try await play(Load(connections: 1, inFlight: 1), at: service).tally
        #expect(tally.wrongVerdicts == 1 && tally.fallbacks == 1 && tally.errors == 1)
        #expect(tally.exceptions == 3)
    }

    @Test("With limits that are not its own, a refusal is no exception")
    func foreignLimits() async throws {
        var denial = WireCheckResponse()
        (denial.verdict, denial.basis) = (.deny, .cache)
        let service = try FakeService { [denial] _, _ in .init(denial) }
        let tally = try await play(Load(connections: 1, inFlight: 4), at: service, knowsVerdicts: false).tally
        #expect(tally.decisions > 10 && tally.exceptions == 0)
        #expect(tally.refused == tally.decisions && tally.fromCache == tally.decisions)
    }

    @Test("A service that closes the connection ends the load with words")
    func closed() async throws {
        let service = try FakeService { _, _ in .init(WireCheckResponse(), after: .seconds(30)) }
        let stopping = Task {
            try await Task.sleep(for: .milliseconds(300))
            service.stop()
        }
        await #expect(throws: Failure.self) { _ = try await play(Load(connections: 1, inFlight: 1), at: service) }
        try await stopping.value
    }
}
