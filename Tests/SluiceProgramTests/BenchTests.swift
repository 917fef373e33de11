import Testing

@Suite(.serialized) struct BenchTests {
    @Test("A benchmark measures its loads, and says of each budget whether it is met")
    func report() throws {
        let outcome = try Program.sluice.run(["bench", "--seconds", "1", "--entities", "1000", "--json"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let report = try outcome.json()
        #expect(report.keys == ["budgets", "build", "entities", "loads", "threads", "unit_us"])
        #expect(report["loads"]?.count == 3)
        #expect(report["budgets"]?.count == 8)
        for load in 0..<3 {
            guard case .number(let decisions)? = report["loads"]?[load]?["decisions"],
                case .number(let p50)? = report["loads"]?[load]?["p50_us"],
                case .number(let max)? = report["loads"]?[load]?["max_us"],
                case .number(let redis)? = report["loads"]?[load]?["redis_cpu_us"]
            else {
                Issue.record("load \(load) lacks a number: \(report)")
                return
            }
            #expect(decisions > 100)
            #expect(p50 > 0 && p50 <= max)
            #expect(redis > 0)
        }
    }
}
