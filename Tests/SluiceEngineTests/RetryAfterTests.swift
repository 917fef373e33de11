import SluiceModel
import SluiceReference
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

@Suite("retry_after is honest to the tick")
struct RetryAfterTests {
    /// After random traffic, each trip of a check is looked at again by peeks of its own limit.
    @Test("A limit that tripped trips one tick before retry_after and passes at it")
    func honest() async throws {
        var seeds = SeededGenerator.announced()
        let redis = try RedisServer()
        var looked = 0
        var shadows = 0
        // As many rounds as show enough of both kinds, within reason.
        for round in 0..<200 where round < 25 || looked < 300 || shadows < 20 {
            let seed = seeds.next()
            var traffic = RandomTraffic(random: SeededGenerator(seed: seed))
            var settings = EngineHarness.settings()
            settings.keyPrefix = "t\(round)-"
            let engine = try await EngineHarness(redis: redis, rules: traffic.rules, settings: settings)
            var latest: UInt64 = 0
            for _ in 0..<50 {
                traffic.tick()
                // Without clock steps: those are corrected by the check and not by the peek.
                let now = max(traffic.nowMs, latest)
                latest = now
                var request = traffic.request()
                if request.mode == .record { request.mode = .check }
                request.ageMs = 0
                let burst = Array(
                    repeating: (request: request, atMs: UInt64?(now)),
                    count: Int.random(in: 1...6, using: &traffic.random))
                guard case .response(let response) = try await engine.decide(burst).last else { continue }
                var peek = request
                peek.mode = .peek
                for trip in response.trips where trip.hasRetryAfterMs {
                    try #require(trip.retryAfterMs > 0)
                    for (delay, trips) in [(trip.retryAfterMs - 1, true), (trip.retryAfterMs, false)] {
                        let again = try await engine.decide(peek, atMs: now + delay)
                        let same = again.trips.contains { $0.limit == trip.limit }
                        #expect(same == trips, "seed \(seed), at \(now) + \(delay): \(trip), \(request)")
                    }
                    looked += 1
                    if trip.shadow { shadows += 1 }
                }
            }
            try await engine.shutDown()
        }
        #expect(looked >= 300)
        #expect(shadows >= 20)
    }
}
