import Testing

@Suite(.serialized) struct BenchTests {
    @Test("A benchmark measures its loads, and says of each budget whether it is met, or why it was not measured")
    func report() throws {
        let outcome = try Program.sluice.run(["bench", "--seconds", "1", "--entities", "1000", "--json"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let report = try outcome.json()
        #expect(
            report.keys == ["budgets", "build", "entities", "loads", "server", "threads", "unit_us", "warnings"])
        #expect(report["server"] == .null)
        #expect(report["loads"]?.count == 4)
        for load in 0..<4 {
            let load = try #require(report["loads"]?[load])
            #expect(load.keys == Self.keysOfALoad)
            let decisions = try number(load, "decisions")
            let p50 = try number(load, "p50_us")
            #expect(decisions > 100)
            #expect(try p50 > 0 && p50 <= number(load, "max_us"))
            #expect(try number(load, "redis_cpu_us") > 0)
            #expect(try number(load, "generator_cpu_us") > 0)
            #expect(load["wrong_verdicts"] == 0 && load["errors"] == 0)
        }
        let refused = try #require(report["loads"]?[3])
        #expect(refused["refused_share"] == 1)
        #expect(refused["refused"] == refused["decisions"])

        #expect(report["budgets"]?.count == 8)
        for row in 0..<8 {
            let budget = try #require(report["budgets"]?[row])
            #expect(budget.keys == ["bound", "is_upper_bound", "measured", "met", "name", "unit", "why_not"])
            // Each is measured, or says why not: two depend on a library that only a whole build has, or on a machine
            // that keeps a deadline of a second.
            let name = budget["name"]
            if name != "allocations_per_decision" { #expect(budget["why_not"] == .null, "\(budget)") }
            #expect((budget["measured"] == .null) == (budget["why_not"] != .null), "\(budget)")
            if name == "redis_bytes_per_entity" { #expect(try 200...300 ~= number(budget, "measured")) }
            if name == "p50_against_script" { #expect(try number(budget, "measured") > 1) }
        }
    }

    private static let keysOfALoad = [
        "connections", "decisions", "decisions_per_second", "errors", "fallbacks", "from_cache", "generator_cpu_us",
        "in_flight", "kept_rate", "max_us", "p50_us", "p90_us", "p99_9_us", "p99_us", "rate", "redis_cpu_us", "refused",
        "refused_share", "seconds", "service_cpu_us", "socket", "unanswered", "unsent", "wrong_verdicts", "zipf",
    ]

    private func number(_ object: JSONValue, _ key: String) throws -> Double {
        guard case .number(let value)? = object[key] else {
            Issue.record("no number of \(key) in \(object)")
            return 0
        }
        return value
    }

    @Test("A load at a rate, with skew and refusals, is played as told")
    func rate() throws {
        let outcome = try Program.sluice.run([
            "bench", "--seconds", "2", "--entities", "1000", "--rate", "500", "--zipf", "1.2", "--refused", "0.3",
            "--warm-up", "0.2", "--json",
        ])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let report = try outcome.json()
        #expect(report["budgets"]?.count == 0)
        let load = try #require(report["loads"]?[0])
        #expect(load["rate"] == 500 && load["zipf"] == .number(1.2) && load["wrong_verdicts"] == 0)
        let decisions = try number(load, "decisions")
        #expect(950...1_050 ~= decisions)
        #expect(try 0.2...0.4 ~= number(load, "refused") / decisions)
    }

    @Test(
        "Options that say what cannot be are refused",
        arguments: [
            ["--rate", "0"], ["--rate", "1000001"], ["--zipf", "0"], ["--zipf", "3.1"], ["--zipf", "nan"],
            ["--refused", "1.1"], ["--refused", "nan"], ["--warm-up", "-1"], ["--warm-up", "nan"],
            ["--connections", "0"],
            ["--in-flight", "4001"], ["--sweep", "--rate", "5"], ["--server", "127.0.0.1:1", "--refused", "0.5"],
            ["--server", "nowhere"], ["--instructions", "--sweep"], ["--thresholds", "x"],
            ["--instructions", "--set-thresholds"],
        ])
    func options(_ arguments: [String]) throws {
        let outcome = try Program.sluice.run(["bench"] + arguments)
        #expect(outcome.status == 64, "\(arguments): \(outcome.errors)")
        #expect(!outcome.errors.isEmpty)
    }

    @Test("A service that does not run is said to be missing")
    func nobody() throws {
        let outcome = try Program.sluice.run(["bench", "--server", "127.0.0.1:1", "--seconds", "1"])
        #expect(outcome.status == 69)
        #expect(outcome.errors.contains("127.0.0.1:1"))
    }
}
