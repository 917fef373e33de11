import Foundation
import NIOCore
import SluiceWire
import Synchronization
import TestSupport

/// Asks a service at a steady rate over one connection, from a thread of its own, whatever becomes of the answers: an
/// open load, so that a stall is met by all the calls that fall into it. Tells the service each call's deadline and then
/// waits for longer, so that a late answer is seen as late and not as lost.
final class FaultLoad: Sendable {
    struct Shared {
        var calls: [LoadCall] = []
        /// To be sent at once, before what the pace brings.
        var extra: [WireCheckRequest] = []
        var perSecond: Double
        var deadlineMs: Double
        var isStopped = false
        var hasEnded = false
        var connects = 0
    }

    private let shared: Mutex<Shared>

    /// - Parameters:
    ///   - endpoint: a TCP data listener.
    ///   - deadlineMs: told in each frame.
    ///   - traffic: the request of each number, from 0 on.
    init(
        at endpoint: Endpoint, perSecond: Double = 200, deadlineMs: Double = 50,
        _ traffic: @escaping @Sendable (Int) -> WireCheckRequest
    ) {
        shared = Mutex(Shared(perSecond: perSecond, deadlineMs: deadlineMs))
        let thread = Thread { [weak self] in
            var loop = LoadLoop(endpoint: endpoint, traffic: traffic)
            while let self, !self.shared.withLock({ $0.isStopped }) { loop.turn(self.shared) }
            loop.close()
            self?.shared.withLock { $0.hasEnded = true }
        }
        thread.name = "fault-load"
        thread.start()
    }

    deinit { shared.withLock { $0.isStopped = true } }

    var history: History { History(calls: shared.withLock { $0.calls }) }
    var connects: Int { shared.withLock { $0.connects } }

    func pace(perSecond: Double) { shared.withLock { $0.perSecond = perSecond } }
    func set(deadlineMs: Double) { shared.withLock { $0.deadlineMs = deadlineMs } }
    func ask(_ requests: [WireCheckRequest]) { shared.withLock { $0.extra += requests } }

    /// Stops asking, and waits up to a second and a half for the answers still due.
    func pause() async throws {
        pace(perSecond: 0)
        for _ in 0..<150 {
            let waits = shared.withLock { !$0.extra.isEmpty || $0.calls.contains { $0.outcome == .waiting } }
            if !waits { return }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    func stop() async throws {
        shared.withLock { $0.isStopped = true }
        for _ in 0..<200 where !shared.withLock({ $0.hasEnded }) { try await Task.sleep(for: .milliseconds(10)) }
    }

    static func nowMs() -> Double {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return Double(now.tv_sec) * 1_000 + Double(now.tv_nsec) / 1e6
    }
}
