import SluiceModel

/// `/api/status`: a service at a glance, for the dashboard and for scripts. Keys are only ever added.
struct StatusPage: Encodable, Sendable {
    /// What does not change while a service runs.
    struct About: Sendable {
        var startedAtMs: UInt64
        /// `embedded`, or the URL without its password.
        var redis: String
        /// Whether entity values are shown; if not, they are masked.
        var showsValues: Bool
    }

    struct Reload: Encodable, Sendable {
        var atMs: UInt64
        var outcome: String
        var errors: [String]
    }

    struct Redis: Encodable, Sendable {
        var connected: Bool
        var address: String
        var connects, losses: UInt64
        var failures: [String: UInt64]
    }

    struct Totals: Encodable, Sendable {
        var decisions: [String: UInt64]
        var byBasis: [String: UInt64]
        var shed, invalid, protocolErrors: UInt64
    }

    struct Limit: Encodable, Sendable {
        var limit, verdict: String
        var trips: UInt64
    }

    struct Rule: Encodable, Sendable {
        var name: String
        var check, per: [String]
        var shadow: Bool
        var owner: String?
        var onRedisFailure: String
        var limits: [Limit]
        var judged, tripped: UInt64
        /// Absent where all are 0.
        var tripsPerSecond: [UInt32]?
    }

    struct Entity: Encodable, Sendable {
        var dimension, value: String
        var count, error: UInt64
    }

    struct Top: Encodable, Sendable {
        var windowMs: UInt64
        /// `masked` or `shown`.
        var values: String
        var busy, refused: [Entity]
    }

    var version = ServiceVersion.text
    var nowMs, startedAtMs: UInt64
    var generation, rulesLoadedAtMs: UInt64
    var source, sha256: String
    var lastReload: Reload
    var redis: Redis
    var totals: Totals
    var connections, inFlight: Int
    /// Oldest first.
    var seconds: [History.Second]
    /// In file order.
    var rules: [Rule]
    var top: Top

    init(_ readings: [LoopReading], _ history: History, _ about: About, reloads: ReloadStatus, top: Top, nowMs: UInt64)
    {
        func sum(_ value: (LoopReading) -> UInt64) -> UInt64 { readings.reduce(0) { $0 &+ value($1) } }
        func named<Name: Hashable>(_ names: [Name], _ text: (Name) -> String, _ value: (Name) -> UInt64) -> [String:
            UInt64]
        {
            Dictionary(uniqueKeysWithValues: names.map { (text($0), value($0)) })
        }
        let source = readings.first?.rules.source
        self.nowMs = nowMs
        startedAtMs = about.startedAtMs
        generation = readings.first?.rules.set.generation ?? 0
        rulesLoadedAtMs = source?.loadedAtMs ?? 0
        self.source = source?.path ?? ""
        sha256 = source?.sha256 ?? ""
        lastReload = Reload(atMs: reloads.atMs, outcome: reloads.outcome.rawValue, errors: reloads.errors)
        redis = Redis(
            connected: !readings.isEmpty && readings.allSatisfy(\.isConnected),
            address: about.redis,
            connects: sum(\.links.connects),
            losses: sum(\.links.losses),
            failures: named(RedisFailure.allCases, \.rawValue) { failure in sum { $0.metrics.failures[failure] ?? 0 } }
        )
        func decisions(_ basis: Basis, _ verdict: Verdict) -> UInt64 {
            sum { $0.metrics.decisions[Int(basis.rawValue) * LoopMetrics.verdicts + Int(verdict.rawValue)] }
        }
        totals = Totals(
            decisions: named(Verdict.allCases, \.name) { verdict in
                Basis.allCases.reduce(0) { $0 &+ decisions($1, verdict) }
            },
            byBasis: named(Basis.allCases, \.name) { basis in
                Verdict.allCases.reduce(0) { $0 &+ decisions(basis, $1) }
            },
            shed: sum(\.metrics.shed),
            invalid: sum(\.metrics.invalidRequests),
            protocolErrors: sum { $0.metrics.protocolErrors.values.reduce(0, &+) }
        )
        connections = readings.reduce(0) { $0 + $1.dataConnections }
        inFlight = readings.reduce(0) { $0 + $1.waiting }
        seconds = Array(history.points)
        rules = Self.rules(readings, history)
        self.top = top
    }

    private static func rules(_ readings: [LoopReading], _ history: History) -> [Rule] {
        let series = readings.series
        var judged: [String: (all: UInt64, tripped: UInt64)] = [:]
        for (key, count) in series.decisions {
            judged[key.rule, default: (0, 0)].all &+= count
            if key.isTrip { judged[key.rule]!.tripped &+= count }
        }
        return (readings.first?.rules.set.rules ?? []).map { rule in
            Rule(
                name: rule.name,
                check: rule.check.map(\.spelling),
                per: rule.per,
                shadow: rule.shadow,
                owner: rule.notes.first { $0.key == "owner" }?.text,
                onRedisFailure: rule.onRedisFailure.rawValue,
                limits: rule.limits.map { limit in
                    let key = RuleSeries.Trips(rule: rule.name, limit: limit.text, shadow: rule.shadow)
                    return Limit(limit: limit.text, verdict: limit.verdict.name, trips: series.trips[key] ?? 0)
                },
                judged: judged[rule.name]?.all ?? 0,
                tripped: judged[rule.name]?.tripped ?? 0,
                tripsPerSecond: history.trips[rule.name]
            )
        }
    }
}

extension StatusPage.Top {
    init(busy: TopReport, refused: TopReport, mask: ValueMask?) {
        func entities(_ report: TopReport) -> [StatusPage.Entity] {
            report.lines.map { line in
                StatusPage.Entity(
                    dimension: line.dimension,
                    value: mask?.text(line.value) ?? String(decoding: line.value, as: UTF8.self),
                    count: line.count,
                    error: line.error
                )
            }
        }
        self.init(
            windowMs: busy.windowMs, values: mask == nil ? "shown" : "masked", busy: entities(busy),
            refused: entities(refused))
    }
}
