import Foundation
import SluiceModel
import SluiceReference
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

/// The real scripts on a real Redis against the reference model.
@Suite("Redis decides as the reference model does")
struct DifferentialTests {
    /// Operations in all; `make test-nightly` asks for more.
    static let operations =
        ProcessInfo.processInfo.environment["SLUICE_TEST_OPERATIONS"].flatMap { Int($0) } ?? 300_000

    @Test("Random rules of all measures, events, undos, blocks, times and live changes are decided equally")
    func randomTraffic() async throws {
        var seeds = SeededGenerator.announced()
        let redis = try RedisServer()
        let perRound = 2_000
        for round in 0..<max(1, Self.operations / perRound) {
            let play = DifferentialPlay(seed: seeds.next(), operations: perRound, keyPrefix: "t\(round)-")
            if let disagreement = try await play.run(on: redis) {
                Issue.record("\(disagreement)")
                return
            }
        }
    }
}

extension ReferenceModel.Decision {
    /// What a response says of a decision.
    init(_ response: WireCheckResponse) {
        self.init(
            verdict: Verdict(response.verdict)!,
            trips: response.trips.map { trip in
                ReferenceModel.Trip(
                    rule: trip.rule,
                    windowMs: trip.windowMs,
                    max: trip.max,
                    used: trip.used,
                    retryAfterMs: trip.hasRetryAfterMs ? trip.retryAfterMs : nil,
                    verdict: Verdict(trip.verdict)!,
                    shadow: trip.shadow,
                    reason: [.limit: .limit, .blocked: .blocked, .listed: .listed][trip.reason]!
                )
            },
            retryAfterMs: response.hasRetryAfterMs ? response.retryAfterMs : nil,
            tightest: response.hasTightest
                ? ReferenceModel.Headroom(
                    rule: response.tightest.rule,
                    windowMs: response.tightest.windowMs,
                    max: response.tightest.max,
                    remaining: response.tightest.remaining,
                    resetMs: response.tightest.resetMs
                ) : nil,
            duplicate: response.duplicate
        )
    }
}
