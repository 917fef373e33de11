import NIOCore
import SluiceClient
import SluiceWire
import Synchronization
import TestSupport
import Testing

/// Two service processes, one Redis, real sockets and Redis' own clock.
@Suite("In real time no window admits more than max", .timeLimit(.minutes(1)))
struct RealTimeAttackTests {
    private struct Admitted: Sendable {
        var service: Int
        var sent: NIODeadline
        var received: NIODeadline
    }

    private final class Tally: Sendable {
        let admitted = Mutex<[Admitted]>([])
        let refused = Atomic(0)
    }

    private static let window = TimeAmount.milliseconds(200)
    private static let max = 20

    private static let limits = """
        version: 1
        rules:
          - { name: exact, check: exact, per: [user], limits: [ { max: 20, window: 200ms } ] }
          - { name: sliced, check: sliced, per: [user], limits: [ { max: 20, window: 200ms } ], exact_up_to: 0, slices: 7 }

        """

    /// Admitted calls that were certainly between `start` and a window later: sent after it, answered before its end.
    private static func mostInAnyWindow(_ admitted: [Admitted]) -> Int {
        admitted.map { first in
            let end = first.sent + window
            return admitted.count { $0.sent >= first.sent && $0.received < end }
        }.max() ?? 0
    }

    @Test("Two services under fire, exact log and slices", arguments: ["exact", "sliced"])
    func twoServices(_ action: String) async throws {
        let redis = try RedisServer()
        let url = "unix://\(redis.socket)"
        let services = [
            try await ServiceProcess.start(limits: Self.limits, redis: url),
            try await ServiceProcess.start(limits: Self.limits, redis: url),
        ]
        let tally = Tally()
        let end = NIODeadline.now() + .seconds(20)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for (number, service) in services.enumerated() {
                tasks.addTask {
                    try await service.withClient { client in
                        let request = WireCheckRequest(action: action, entities: [WireEntity("user", "u")])
                        await withTaskGroup(of: Void.self) { callers in
                            for _ in 0..<4 {
                                callers.addTask {
                                    while NIODeadline.now() < end, tally.admitted.withLock({ $0.count }) < 5 * Self.max
                                    {
                                        let sent = NIODeadline.now()
                                        guard let response = try? await client.check(request) else { continue }
                                        let received = NIODeadline.now()
                                        guard response.basis == .redis else { continue }
                                        if response.verdict == .allow {
                                            let call = Admitted(service: number, sent: sent, received: received)
                                            tally.admitted.withLock { $0.append(call) }
                                        } else {
                                            tally.refused.wrappingAdd(1, ordering: .relaxed)
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            try await tasks.waitForAll()
        }
        let all = tally.admitted.withLock { $0 }
        #expect(Self.mostInAnyWindow(all) <= Self.max)
        // Nobody was spared, and the window went on.
        #expect(all.count >= 3 * Self.max)
        #expect(tally.refused.load(ordering: .relaxed) > 0)
        #expect(Set(all.map(\.service)) == [0, 1])
    }
}
