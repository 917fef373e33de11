/// What a benchmark measured, in words and in JSON.
struct BenchReport {
    /// One row of the budgets in docs/performance.md.
    private struct Budget {
        var key: String
        var words: String
        /// Nil where it is not measured yet, or could not be.
        var measured: Double?
        var bound: Double
        var isUpperBound = true
        var unit: String

        var isMet: Bool? { measured.map { isUpperBound ? $0 <= bound : $0 >= bound } }
    }

    static let saturated = Load(connections: 8, inFlight: 64)
    static let unpipelined = Load(connections: 8, inFlight: 1)
    static let single = Load(connections: 1, inFlight: 1)

    var entities: Int
    var threads: Int
    /// Seconds of Redis CPU per INCR; nil if it could not be measured.
    var unit: Double?
    var results: [(load: Load, result: Load.Result)]

    private var budgets: [Budget] {
        let saturated = results.first { $0.load == Self.saturated }?.result
        let unpipelined = results.first { $0.load == Self.unpipelined }?.result
        let ratio = saturated.flatMap { all in unpipelined.map { all.perSecond / $0.perSecond } }
        return [
            Budget(
                key: "redis_cpu_per_decision", words: "Redis CPU per decision, 8 x 64",
                measured: saturated.flatMap { inUnits($0.redisCPU, $0) }, bound: 10, unit: "U"),
            Budget(
                key: "service_cpu_per_decision", words: "service CPU per decision, 8 x 64",
                measured: saturated.flatMap { inUnits($0.serviceCPU, $0) }, bound: 6, unit: "U"),
            Budget(
                key: "p50_against_script", words: "p50 of 1 x 1 against the script alone", measured: nil, bound: 1.6,
                unit: "x"),
            Budget(
                key: "pipelining_gain", words: "decisions a second, 8 x 64 against 8 x 1", measured: ratio, bound: 4,
                isUpperBound: false, unit: "x"),
            Budget(
                key: "redis_calls_when_refused", words: "calls to Redis per refusal, refused again and again",
                measured: nil, bound: 0.01, unit: ""),
            Budget(
                key: "service_cpu_when_refused", words: "service CPU per refusal, refused again and again",
                measured: nil, bound: 3, unit: "U"),
            Budget(
                key: "allocations_per_decision", words: "allocations per decision", measured: nil, bound: 4, unit: ""),
            Budget(
                key: "redis_bytes_per_entity", words: "Redis memory per entity, three small limits", measured: nil,
                bound: 300, unit: "bytes"),
        ]
    }

    // MARK: Words

    func lines(for terminal: Terminal) -> [String] {
        var lines: [String] = []
        if let warning = Self.buildWarning { lines.append(terminal.coloured(warning, .yellow)) }
        lines.append(
            "\(NumberWords.grouped(entities)) entities in each of \(StandardWork.dimensions.count) dimensions; "
                + "service threads: \(threads)")
        if let unit {
            lines.append("U, Redis CPU per pipelined INCR: \(Self.micros(unit)) µs")
        } else {
            lines.append("U is unknown: redis-benchmark is missing (Debian: apt-get install redis-tools) or failed")
        }
        lines += [""] + loadTable.lines(for: terminal) + [""]
        return lines + budgetTable.lines(for: terminal)
    }

    private var loadTable: Table {
        var table = Table(
            "LOAD", " DECISIONS/S", " P50 µs", " P90", " P99", " P99.9", " MAX", " REDIS CPU µs", " SERVICE CPU µs")
        for (load, result) in results {
            let latencies = result.tally.latencies
            let percentiles = [50, 90, 99, 99.9].map { Self.micros(ns: latencies.valueAtPercentile($0)) }
            table.add(
                .init(load.words),
                .init(NumberWords.grouped(UInt64(result.perSecond.rounded()))),
                .init(percentiles[0]), .init(percentiles[1]), .init(percentiles[2]), .init(percentiles[3]),
                .init(Self.micros(ns: latencies.max)),
                .init(perDecision(result.redisCPU, result).map(Self.micros) ?? "?"),
                .init(perDecision(result.serviceCPU, result).map(Self.micros) ?? "?")
            )
        }
        return table
    }

    private var budgetTable: Table {
        var table = Table("BUDGET", " MEASURED", " BOUND", "")
        for budget in budgets {
            let bound = (budget.isUpperBound ? "<= " : ">= ") + Self.words(budget.bound, budget.unit)
            switch budget.isMet {
            case true?:
                table.add(.init(budget.words), .init(measured(budget)), .init(bound), .init("met", .green))
            case false?:
                table.add(.init(budget.words), .init(measured(budget)), .init(bound), .init("missed", .red))
            case nil:
                table.add(.init(budget.words), "-", .init(bound), .init("not measured", .faint))
            }
        }
        return table
    }

    private func measured(_ budget: Budget) -> String {
        let number = NumberWords.fixed(budget.measured ?? 0, digits: 2)
        return budget.unit.isEmpty ? number : "\(number) \(budget.unit)"
    }

    private static func words(_ value: Double, _ unit: String) -> String {
        unit.isEmpty ? JSON.spell(value) : "\(JSON.spell(value)) \(unit)"
    }

    private static func micros(_ seconds: Double) -> String { NumberWords.fixed(seconds * 1e6, digits: 2) }
    private static func micros(ns: UInt64) -> String { NumberWords.fixed(Double(ns) / 1e3, digits: 0) }

    private static var buildWarning: String? {
        #if DEBUG
        "a debug build: its numbers say nothing about a release build (swift build -c release)"
        #else
        nil
        #endif
    }

    // MARK: Numbers

    private func perDecision(_ cpu: Double?, _ result: Load.Result) -> Double? {
        guard let cpu, result.tally.decisions > 0 else { return nil }
        return cpu / Double(result.tally.decisions)
    }

    private func inUnits(_ cpu: Double?, _ result: Load.Result) -> Double? {
        guard let unit, unit > 0 else { return nil }
        return perDecision(cpu, result).map { $0 / unit }
    }

    // MARK: JSON

    var json: JSON {
        [
            "build": Self.buildWarning == nil ? "release" : "debug",
            "entities": .count(entities),
            "threads": .count(threads),
            "unit_us": unit.map { .number($0 * 1e6) } ?? .null,
            "loads": .list(results.map(json)),
            "budgets": .list(
                budgets.map { budget in
                    [
                        "name": .text(budget.key),
                        "measured": budget.measured.map { .number($0) } ?? .null,
                        "bound": .number(budget.bound),
                        "is_upper_bound": .bool(budget.isUpperBound),
                        "unit": .text(budget.unit),
                        "met": budget.isMet.map { .bool($0) } ?? .null,
                    ]
                }
            ),
        ]
    }

    private func json(_ load: Load, _ result: Load.Result) -> JSON {
        let latencies = result.tally.latencies
        func percentile(_ percent: Double) -> JSON { .number(Double(latencies.valueAtPercentile(percent)) / 1e3) }
        func micros(_ cpu: Double?) -> JSON { perDecision(cpu, result).map { .number($0 * 1e6) } ?? .null }
        return [
            "connections": .count(load.connections),
            "in_flight": .count(load.inFlight),
            "seconds": .number(result.seconds),
            "decisions": .integer(result.tally.decisions),
            "decisions_per_second": .number(result.perSecond),
            "p50_us": percentile(50),
            "p90_us": percentile(90),
            "p99_us": percentile(99),
            "p99_9_us": percentile(99.9),
            "max_us": .number(Double(latencies.max) / 1e3),
            "redis_cpu_us": micros(result.redisCPU),
            "service_cpu_us": micros(result.serviceCPU),
        ]
    }
}
