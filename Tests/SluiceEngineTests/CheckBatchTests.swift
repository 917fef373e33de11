import SluiceClient
import SluiceModel
import SluiceWire
import TestSupport
import Testing

@Suite("CheckBatch", .timeLimit(.minutes(1)))
struct CheckBatchTests {
    private static let limits = """
        version: 1
        rules:
          - { name: few, check: few, per: [user], limits: [ { max: 3, window: 1m } ] }
          - { name: many, check: many, per: [user], limits: [ { max: 100, window: 1m } ] }

        """

    private static func request(_ action: String, _ user: String = "u", mode: WireMode = .check) -> WireCheckRequest {
        WireCheckRequest(action: action, entities: [WireEntity("user", user)], mode: mode)
    }

    @Test("In order, each by itself, over several script runs; a bad one refuses all of them; an empty one is answered")
    func batches() async throws {
        let redis = try RedisServer()
        let service = try await ServiceProcess.start(
            limits: Self.limits, redis: "unix://\(redis.socket)", settings: "deadline: { default: 1s }\n")
        try await service.withClient { client in
            let mixed = try await client.checkBatch(
                ["few", "few", "other", "few", "few", "many", "few"].map { Self.request($0) })
            #expect(mixed.map(\.verdict) == [.allow, .allow, .allow, .allow, .deny, .allow, .deny])
            #expect(mixed.map(\.trips.count) == [0, 0, 0, 0, 1, 0, 1])
            #expect(mixed[0].tightest.remaining == 2)

            let before = try await service.stats()["sluice_runs_total"] ?? 0
            let long = try await client.checkBatch(Array(repeating: Self.request("many", "v"), count: 256))
            #expect(long.map(\.verdict) == Array(repeating: .allow, count: 100) + Array(repeating: .deny, count: 156))
            #expect(long.prefix(100).map(\.tightest.remaining) == (0..<100).reversed())
            #expect(try await service.stats()["sluice_runs_total"] ?? 0 >= before + 4)

            for bad in [0, 5, 9] {
                var requests = Array(repeating: Self.request("few", "w"), count: 10)
                requests[bad].entities.append(WireEntity("user", "again"))
                let error = await #expect(throws: SluiceClientError.self) { try await client.checkBatch(requests) }
                let message = "request \(bad): the same dimension twice"
                #expect(error == .status(.invalidArgument, message: message))
            }
            let untouched = try await client.check(Self.request("few", "w", mode: .peek))
            #expect(untouched.tightest.remaining == 3)

            #expect(try await client.checkBatch([]).isEmpty)
        }
    }

    @Test("A batch with no room for all of it is shed whole")
    func shed() async throws {
        let redis = try RedisServer()
        let service = try await ServiceProcess.start(
            limits: Self.limits, redis: "unix://\(redis.socket)",
            settings: "deadline: { default: 1s }\nbounds: { waiting_per_loop: 256 }\n")
        redis.freeze()
        try await service.withClient { client in
            async let first = client.checkBatch(
                Array(repeating: Self.request("many"), count: 200), deadline: .seconds(2))
            try await Task.sleep(for: .milliseconds(100))
            let error = await #expect(throws: SluiceClientError.self) {
                try await client.checkBatch(Array(repeating: Self.request("many"), count: 57))
            }
            #expect(error == .status(.resourceExhausted, message: "too many requests are waiting"))
            redis.resume()
            #expect(try await first.allSatisfy { $0.basis == .redis })
        }
        #expect(try await service.stats()["sluice_requests_shed_total"] == 57)
    }
}
