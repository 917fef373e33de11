import NIOCore
import SluiceModel

/// What one event loop knows at a moment: copies of numbers, to be put together elsewhere.
struct LoopReading: Sendable {
    var metrics: LoopMetrics
    var rules: ActiveRules
    var dataConnections: Int
    var adminConnections: Int
    var waiting: Int
    var isConnected: Bool
    var connects: UInt64
    var losses: UInt64
    var scriptLoads: UInt64
    var redisReceivedBytes: UInt64
    var redisSentBytes: UInt64
    var refusals: Int
    var refusalEvictions: UInt64

    init(_ lane: Lane) {
        metrics = lane.decider.metrics
        rules = lane.decider.rules
        dataConnections = lane.server.connectionCount(of: .data)
        adminConnections = lane.server.connectionCount(of: .admin)
        waiting = lane.decider.waiting
        isConnected = lane.decider.link.isReady
        connects = lane.decider.link.connects
        losses = lane.decider.link.losses
        scriptLoads = lane.decider.link.scriptLoads
        redisReceivedBytes = lane.decider.link.receivedBytes
        redisSentBytes = lane.decider.link.sentBytes
        refusals = lane.decider.refusals.count(at: NIODeadline.now().uptimeNanoseconds)
        refusalEvictions = lane.decider.refusals.evictions
    }
}

extension [LoopReading] {
    /// What all loops have counted of rules, by name.
    var series: RuleSeries {
        var series = RuleSeries()
        for reading in self { series.add(reading.metrics.series(in: reading.rules.set)) }
        return series
    }
}

extension ServiceCore {
    /// One reading of each loop, by a hop to it.
    func readings() async throws -> [LoopReading] {
        let hops = lanes.map { $0.run { LoopReading($0) } }
        var readings: [LoopReading] = []
        for hop in hops { readings.append(try await hop.get()) }
        return readings
    }
}

extension ServiceCore {
    /// Every metric as it is now. Puts it together away from the loops.
    func metrics() async throws -> ServiceMetrics {
        ServiceMetrics(
            try await readings(),
            shared: ServiceMetrics.Shared(embeddedRestarts: embedded?.restarts ?? 0, acceptPauses: accepts.pauses),
            reloads: reloads.withLockedValue { $0 },
            lists: await listKeeper.withLockedValue { $0 }?.status() ?? ListStatus(), process: ProcessUsage.now())
    }
}
