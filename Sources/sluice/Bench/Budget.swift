/// One row of the budgets in docs/performance.md.
struct Budget: Sendable {
    enum Reading: Sendable {
        case measured(Double)
        /// Why there is none.
        case unknown(String)
    }

    enum Row: String, CaseIterable, Sendable {
        case redisCPU = "redis_cpu_per_decision"
        case serviceCPU = "service_cpu_per_decision"
        case againstScript = "p50_against_script"
        case pipelining = "pipelining_gain"
        case redisShareWhenRefused = "redis_calls_when_refused"
        case serviceCPUWhenRefused = "service_cpu_when_refused"
        case allocations = "allocations_per_decision"
        case bytes = "redis_bytes_per_entity"

        var words: String {
            switch self {
            case .redisCPU: "Redis CPU per decision, 8 x 64"
            case .serviceCPU: "service CPU per decision, 8 x 64"
            case .againstScript: "p50 of 1 x 1 against the script by redis-benchmark"
            case .pipelining: "decisions a second, 8 x 64 against 8 x 1"
            case .redisShareWhenRefused: "decided by Redis, of the refused again and again"
            case .serviceCPUWhenRefused: "service CPU per refusal, refused again and again"
            case .allocations: "allocations per decision in the service, 8 x 64"
            case .bytes: "Redis memory per entity, three small limits"
            }
        }

        var unit: String {
            switch self {
            case .redisCPU, .serviceCPU, .serviceCPUWhenRefused: "U"
            case .againstScript, .pipelining: "x"
            case .redisShareWhenRefused, .allocations: ""
            case .bytes: "bytes"
            }
        }

        var bound: Double {
            switch self {
            case .redisCPU: 10
            case .serviceCPU: 6
            case .againstScript: 1.6
            case .pipelining: 4
            case .redisShareWhenRefused: 0.01
            case .serviceCPUWhenRefused: 3
            case .allocations: 4
            case .bytes: 300
            }
        }

        var isUpperBound: Bool { self != .pipelining }
    }

    var row: Row
    var reading: Reading

    /// Nil where it could not be measured.
    var measured: Double? {
        switch reading {
        case .measured(let value): value
        case .unknown: nil
        }
    }

    var isMet: Bool? { measured.map { row.isUpperBound ? $0 <= row.bound : $0 >= row.bound } }

    static func table(_ budgets: [Budget]) -> Table {
        var table = Table("BUDGET", " MEASURED", " BOUND", "")
        for budget in budgets {
            let row = budget.row
            let bound = (row.isUpperBound ? "<= " : ">= ") + spell(JSON.spell(row.bound), row.unit)
            switch budget.reading {
            case .measured(let value):
                let measured = spell(NumberWords.fixed(value, digits: row == .redisShareWhenRefused ? 4 : 2), row.unit)
                let outcome: Table.Cell = budget.isMet == true ? .init("met", .green) : .init("missed", .red)
                table.add(.init(row.words), .init(measured), .init(bound), outcome)
            case .unknown(let why):
                table.add(.init(row.words), "-", .init(bound), .init("not measured: \(why)", .yellow))
            }
        }
        return table
    }

    private static func spell(_ value: String, _ unit: String) -> String { unit.isEmpty ? value : "\(value) \(unit)" }

    var json: JSON {
        let why: JSON =
            switch reading {
            case .measured: .null
            case .unknown(let why): .text(why)
            }
        return [
            "name": .text(row.rawValue),
            "measured": measured.map { .number($0) } ?? .null,
            "bound": .number(row.bound),
            "is_upper_bound": .bool(row.isUpperBound),
            "unit": .text(row.unit),
            "met": isMet.map { .bool($0) } ?? .null,
            "why_not": why,
        ]
    }
}
