import NIOCore
import SluiceModel

/// What links to Redis have counted, added up.
struct LinkCounts: Sendable {
    var connects: UInt64 = 0
    var losses: UInt64 = 0
    var stalls: UInt64 = 0
    var brokenReplies: UInt64 = 0
    var countersLost: UInt64 = 0
    var evictedKeys: UInt64 = 0
    /// Whether any of them leads to a Redis that throws counters away when its memory is full.
    var isEvicting = false
    var scriptLoads: UInt64 = 0
    var receivedBytes: UInt64 = 0
    var sentBytes: UInt64 = 0

    mutating func add(_ link: RedisLink) {
        connects &+= link.connects
        losses &+= link.losses
        stalls &+= link.stalls
        brokenReplies &+= link.brokenReplies
        countersLost &+= link.countersLost
        evictedKeys &+= link.evictedKeys
        isEvicting = isEvicting || link.isEvicting
        scriptLoads &+= link.scriptLoads
        receivedBytes &+= link.receivedBytes
        sentBytes &+= link.sentBytes
    }
}

/// What one event loop knows at a moment: copies of numbers, to be put together elsewhere.
struct LoopReading: Sendable {
    var metrics: LoopMetrics
    var rules: ActiveRules
    var dataConnections: Int
    var adminConnections: Int
    var waiting: Int
    var isConnected: Bool
    var links: LinkCounts
    var openBreakers: Int
    var refusals: Int
    var refusalEvictions: UInt64

    init(_ lane: Lane) {
        metrics = lane.decider.metrics
        rules = lane.decider.rules
        dataConnections = lane.server.connectionCount(of: .data)
        adminConnections = lane.server.connectionCount(of: .admin)
        waiting = lane.decider.waiting
        isConnected = lane.decider.isRedisReady
        links = lane.decider.queues.reduce(into: LinkCounts()) { $0.add($1.link) }
        openBreakers = lane.decider.queues.count { !$0.breaker.isClosed }
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
