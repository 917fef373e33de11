import NIOCore
import SluiceModel

extension ServiceCore {
    /// What one loop knows.
    private struct Reading: Sendable {
        var metrics: LoopMetrics
        var trips: [String: UInt64]
        var generation: UInt64
        var rules: Int
        var connections: Int
        var waiting: Int
        var isConnected: Bool
        var connects: UInt64
        var losses: UInt64
        var scriptReloads: UInt64
    }

    /// Every counter and gauge, summed over the loops, named as Prometheus names them.
    func collectStats(on loop: any EventLoop) -> EventLoopFuture<[(name: String, value: Double)]> {
        let readings = lanes.map { handle in
            handle.run { lane in
                Reading(
                    metrics: lane.decider.metrics,
                    trips: lane.decider.metrics.tripsByRule(in: lane.decider.rules.set),
                    generation: lane.decider.rules.set.generation,
                    rules: lane.decider.rules.set.rules.count,
                    connections: lane.server.connectionCount,
                    waiting: lane.decider.waiting,
                    isConnected: lane.decider.link.isReady,
                    connects: lane.decider.link.connects,
                    losses: lane.decider.link.losses,
                    scriptReloads: lane.decider.link.scriptReloads
                )
            }
        }
        return EventLoopFuture.whenAllSucceed(readings, on: loop).map { Self.stats(of: $0) }
    }

    private static func stats(of readings: [Reading]) -> [(name: String, value: Double)] {
        var stats: [(name: String, value: Double)] = []
        func add(_ name: String, _ value: (Reading) -> UInt64) {
            stats.append((name, Double(readings.reduce(0) { $0 + value($1) })))
        }
        for basis in Basis.allCases {
            for verdict in Verdict.allCases {
                add("sluice_decisions_total{basis=\"\(basis.name)\",verdict=\"\(verdict.name)\"}") {
                    $0.metrics.decisions[Int(basis.rawValue)][Int(verdict.rawValue)]
                }
            }
        }
        for rule in Set(readings.flatMap(\.trips.keys)).sorted() {
            add("sluice_trips_total{rule=\"\(rule)\"}") { $0.trips[rule] ?? 0 }
        }
        add("sluice_runs_total") { $0.metrics.runs }
        add("sluice_run_requests_total") { $0.metrics.runRequests }
        add("sluice_invalid_requests_total") { $0.metrics.invalidRequests }
        add("sluice_shed_total") { $0.metrics.shed }
        add("sluice_clock_steps_total") { $0.metrics.clockSteps }
        add("sluice_unreadable_cells_total") { $0.metrics.unreadableCells }
        for kind in Set(readings.flatMap(\.metrics.protocolErrors.keys)).sorted() {
            add("sluice_protocol_errors_total{kind=\"\(kind)\"}") { $0.metrics.protocolErrors[kind] ?? 0 }
        }
        for failure in RedisFailure.allCases {
            add("sluice_redis_failures_total{class=\"\(failure.rawValue)\"}") { $0.metrics.failures[failure] ?? 0 }
        }
        add("sluice_redis_connects_total") { $0.connects }
        add("sluice_redis_losses_total") { $0.losses }
        add("sluice_script_reloads_total") { $0.scriptReloads }
        add("sluice_connections_accepted_total") { $0.metrics.connectionsAccepted }
        add("sluice_connections_refused_total") { $0.metrics.connectionsRefused }
        add("sluice_connections") { UInt64($0.connections) }
        add("sluice_waiting_requests") { UInt64($0.waiting) }
        add("sluice_redis_connected") { $0.isConnected ? 1 : 0 }
        stats.append(("sluice_generation", Double(readings.first?.generation ?? 0)))
        stats.append(("sluice_rules", Double(readings.first?.rules ?? 0)))
        return stats
    }
}
