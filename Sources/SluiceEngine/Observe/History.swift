import DequeModule
import SluiceModel

/// The last seconds of a service, one point a second.
struct History: Sendable {
    static let seconds = 300
    /// Of the trips by rule, of which there are many.
    static let ruleSeconds = 60

    struct Second: Encodable, Sendable {
        var atMs: UInt64
        var allow, review, challenge, deny: UInt64
        /// Of these, answered by policy: Redis did not decide.
        var policy: UInt64
        /// Nil without decisions.
        var p50Us, p99Us, redisP99Us: Double?

        private enum CodingKeys: CodingKey {
            case atMs, allow, review, challenge, deny, policy, p50Us, p99Us, redisP99Us
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(atMs, forKey: .atMs)
            try container.encode(allow, forKey: .allow)
            try container.encode(review, forKey: .review)
            try container.encode(challenge, forKey: .challenge)
            try container.encode(deny, forKey: .deny)
            try container.encode(policy, forKey: .policy)
            // Null rather than absent.
            try container.encode(p50Us, forKey: .p50Us)
            try container.encode(p99Us, forKey: .p99Us)
            try container.encode(redisP99Us, forKey: .redisP99Us)
        }
    }

    /// The sums that the next second is measured from.
    private struct Totals: Sendable {
        var decisions: [UInt64]
        var request: FixedHistogram
        var redis: FixedHistogram
        var trips: [String: UInt64]
    }

    private(set) var points: Deque<Second> = []
    /// Requests that tripped a rule in each of the last seconds, by rule, oldest first; rules that never tripped meanwhile are left out.
    private(set) var trips: [String: [UInt32]] = [:]
    private var last: Totals?

    mutating func add(_ readings: [LoopReading], atMs: UInt64) {
        guard let first = readings.first else { return }
        var now = Totals(
            decisions: first.metrics.decisions, request: first.metrics.requestMicros, redis: first.metrics.redisMicros,
            trips: [:])
        for reading in readings.dropFirst() {
            for place in now.decisions.indices { now.decisions[place] &+= reading.metrics.decisions[place] }
            now.request.add(reading.metrics.requestMicros)
            now.redis.add(reading.metrics.redisMicros)
        }
        // Requests that tripped the rule, however many of its limits each of them did.
        for (key, count) in readings.series.decisions where key.isTrip { now.trips[key.rule, default: 0] &+= count }
        // The first second begins with the service: nothing was counted before.
        let last =
            last
            ?? Totals(
                decisions: now.decisions.map { _ in 0 }, request: .micros, redis: .micros, trips: [:])
        defer { self.last = now }
        addPoint(from: last, to: now, atMs: atMs)
        addTrips(from: last, to: now)
    }

    private mutating func addPoint(from last: Totals, to now: Totals, atMs: UInt64) {
        let new = zip(now.decisions, last.decisions).map { $0 &- $1 }
        func sum(_ verdict: Verdict) -> UInt64 {
            Basis.allCases.reduce(0) { $0 &+ new[Int($1.rawValue) * LoopMetrics.verdicts + Int(verdict.rawValue)] }
        }
        let policy = Int(Basis.policy.rawValue) * LoopMetrics.verdicts
        let request = now.request.since(last.request)
        points.append(
            Second(
                atMs: atMs, allow: sum(.allow), review: sum(.review), challenge: sum(.challenge), deny: sum(.deny),
                policy: new[policy..<policy + LoopMetrics.verdicts].reduce(0, &+),
                p50Us: request.quantile(0.5)?.rounded(), p99Us: request.quantile(0.99)?.rounded(),
                redisP99Us: now.redis.since(last.redis).quantile(0.99)?.rounded()))
        if points.count > Self.seconds { points.removeFirst() }
    }

    private mutating func addTrips(from last: Totals, to now: Totals) {
        for (rule, count) in now.trips {
            let new = UInt32(clamping: count &- (last.trips[rule] ?? 0))
            if trips[rule] == nil {
                guard new > 0 else { continue }
                trips[rule] = Array(repeating: 0, count: max(0, min(points.count, Self.ruleSeconds) - 1))
            }
            trips[rule]!.append(new)
            if trips[rule]!.count > Self.ruleSeconds { trips[rule]!.removeFirst() }
            if trips[rule]!.allSatisfy({ $0 == 0 }) { trips[rule] = nil }
        }
    }
}
