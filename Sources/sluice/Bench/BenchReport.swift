/// What a benchmark measured, in words and in JSON.
struct BenchReport: Report {
    /// A load and what came of it.
    struct Played: Sendable {
        var load: Load
        var target: Load.Target
        var result: Load.Result

        var isOnUnixSocket: Bool {
            switch target.endpoint {
            case .tcp: false
            case .unix: true
            }
        }

        var words: String { isOnUnixSocket ? "\(load.words), Unix socket" : load.words }

        /// Whether the answers came as fast as requests were due; nil where they were due at no rate.
        var keptRate: Bool? {
            switch load.pace {
            case .closed: nil
            case .rate(let rate): result.perSecond >= rate * 0.99
            }
        }

        /// What a reader must know before believing the numbers.
        var warnings: [String] {
            let tally = result.tally
            var warnings: [String] = []
            if case .rate(let rate) = load.pace, keptRate == false {
                warnings.append(
                    "\(words): the rate was not kept, \(NumberWords.grouped(UInt64(result.perSecond))) of "
                        + "\(NumberWords.grouped(UInt64(rate))) a second; latencies hold the time requests waited")
            }
            if tally.decisions == 0 { warnings.append("\(words): not one answer in the measured time") }
            func warn(_ count: UInt64, _ what: String) {
                if count > 0 { warnings.append("\(words): \(NumberWords.grouped(count)) \(what)") }
            }
            warn(tally.unsent, "requests were due and not sent: too many were unanswered")
            warn(tally.unanswered, "requests had no answer 5 seconds after the end")
            warn(tally.wrongVerdicts, "answers had another verdict than this work leads to")
            warn(tally.fallbacks, "answers were given without Redis, by on_redis_failure")
            warn(tally.errors, "responses were errors")
            return warnings
        }
    }

    /// Nil: the service was the benchmark's own.
    var server: String?
    var entities: Int
    var threads: Int
    /// Seconds of Redis CPU per INCR; nil if it was not or could not be measured.
    var unit: Double?
    var loads: [Played] = []
    var budgets: [Budget] = []

    private var warnings: [String] {
        (Self.buildWarning.map { [$0] } ?? []) + loads.flatMap(\.warnings)
    }

    // MARK: Words

    func lines(for terminal: Terminal) -> [String] {
        var lines = warnings.map { terminal.coloured("warning: \($0)", .yellow) }
        lines.append(
            "\(NumberWords.grouped(entities)) entities in each of \(StandardWork.dimensions.count) dimensions; "
                + (server.map { "the service at \($0.printable)" } ?? "service threads: \(threads)"))
        if let unit {
            lines.append("U, Redis CPU per pipelined INCR: \(Self.micros(unit)) µs")
        } else if !budgets.isEmpty {
            lines.append("U is unknown: redis-benchmark is missing (Debian: apt-get install redis-tools) or failed")
        }
        lines += [""] + loadTable.lines(for: terminal)
        if !budgets.isEmpty { lines += [""] + Budget.table(budgets).lines(for: terminal) }
        return lines
    }

    private var loadTable: Table {
        var table = Table(
            "LOAD", " DECISIONS/S", " P50 µs", " P90", " P99", " P99.9", " MAX", " REDIS CPU µs", " SERVICE CPU µs",
            " BENCH CPU µs")
        for played in loads {
            let result = played.result
            let latencies = result.tally.latencies
            let percentiles = [50, 90, 99, 99.9].map { Self.micros(ns: latencies.valueAtPercentile($0)) }
            func cpu(_ seconds: Double?) -> Table.Cell { .init(result.perDecision(seconds).map(Self.micros) ?? "-") }
            table.add(
                .init(played.words),
                .init(NumberWords.grouped(UInt64(result.perSecond.rounded()))),
                .init(percentiles[0]), .init(percentiles[1]), .init(percentiles[2]), .init(percentiles[3]),
                .init(Self.micros(ns: latencies.max)),
                cpu(result.redisCPU), cpu(result.serviceCPU), cpu(result.generatorCPU)
            )
        }
        return table
    }

    private static func micros(_ seconds: Double) -> String { NumberWords.fixed(seconds * 1e6, digits: 2) }
    private static func micros(ns: UInt64) -> String { NumberWords.fixed(Double(ns) / 1e3, digits: 0) }

    static var buildWarning: String? {
        #if DEBUG
        "a debug build: its numbers say nothing about a release build (swift build -c release)"
        #else
        nil
        #endif
    }

    // MARK: JSON

    var json: JSON {
        [
            "build": Self.buildWarning == nil ? "release" : "debug",
            "server": server.map { .text($0) } ?? .null,
            "entities": .count(entities),
            "threads": .count(threads),
            "unit_us": unit.map { .number($0 * 1e6) } ?? .null,
            "warnings": .texts(warnings),
            "loads": .list(loads.map(json)),
            "budgets": .list(budgets.map(\.json)),
        ]
    }

    private func json(_ played: Played) -> JSON {
        let (load, result) = (played.load, played.result)
        let tally = result.tally
        func percentile(_ percent: Double) -> JSON {
            .number(Double(tally.latencies.valueAtPercentile(percent)) / 1e3)
        }
        func micros(_ cpu: Double?) -> JSON { result.perDecision(cpu).map { .number($0 * 1e6) } ?? .null }
        let rate: JSON =
            switch load.pace {
            case .closed: .null
            case .rate(let rate): .number(rate)
            }
        return [
            "connections": .count(load.connections),
            "in_flight": .count(load.inFlight),
            "socket": played.isOnUnixSocket ? "unix" : "tcp",
            "rate": rate,
            "kept_rate": played.keptRate.map { .bool($0) } ?? .null,
            "zipf": load.zipf.map { .number($0) } ?? .null,
            "refused_share": .number(load.refused),
            "seconds": .number(result.seconds),
            "decisions": .integer(tally.decisions),
            "decisions_per_second": .number(result.perSecond),
            "p50_us": percentile(50),
            "p90_us": percentile(90),
            "p99_us": percentile(99),
            "p99_9_us": percentile(99.9),
            "max_us": .number(Double(tally.latencies.max) / 1e3),
            "redis_cpu_us": micros(result.redisCPU),
            "service_cpu_us": micros(result.serviceCPU),
            "generator_cpu_us": micros(result.generatorCPU),
            "refused": .integer(tally.refused),
            "from_cache": .integer(tally.fromCache),
            "wrong_verdicts": .integer(tally.wrongVerdicts),
            "fallbacks": .integer(tally.fallbacks),
            "errors": .integer(tally.errors),
            "unsent": .integer(tally.unsent),
            "unanswered": .integer(tally.unanswered),
        ]
    }
}
