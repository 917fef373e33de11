import SluiceWire
import Testing

@testable import sluice

@Suite struct StatsTests {
    private static func stats(_ values: [(String, Double)]) -> [WireStat] {
        values.map { name, value in
            var stat = WireStat()
            (stat.name, stat.value) = (name, value)
            return stat
        }
    }

    private static let some = stats([
        (#"sluice_decisions_total{basis="redis",verdict="allow"}"#, 12),
        (#"sluice_decisions_total{basis="redis",verdict="deny"}"#, 3),
        (#"sluice_request_duration_seconds_bucket{le="0.001"}"#, 14),
        (#"sluice_request_duration_seconds_bucket{le="+Inf"}"#, 15),
        ("sluice_request_duration_seconds_sum", 0.25),
        ("sluice_request_duration_seconds_count", 15),
        ("sluice_generation", 2),
    ])

    @Test("Series stand under the name they share, buckets only where they are asked for")
    func grouped() {
        let terminal = Terminal(hasColour: false)
        #expect(
            StatsReport(Self.some).lines(for: terminal) == [
                "NAME                                   VALUE",
                "sluice_decisions_total",
                #"  basis="redis",verdict="allow"           12"#,
                #"  basis="redis",verdict="deny"             3"#,
                "sluice_request_duration_seconds_sum     0.25",
                "sluice_request_duration_seconds_count     15",
                "sluice_generation                          2",
                "2 histogram buckets not shown; --all shows them",
            ])
        #expect(
            StatsReport(Self.some, filter: "BUCKET", showsBuckets: true).lines(for: terminal) == [
                "NAME                                    VALUE",
                "sluice_request_duration_seconds_bucket",
                #"  le="0.001"                               14"#,
                #"  le="+Inf"                                15"#,
            ])
        #expect(
            StatsReport(Self.some, filter: "\u{1B}x").lines(for: terminal)
                == [#"no series has "\u{1b}x" in its name"#])
    }

    @Test("JSON has every series that passes the filter, buckets too")
    func json() throws {
        #expect(try JSONValue(StatsReport(Self.some).json.line)["stats"]?.keys.count == 7)
        #expect(
            try JSONValue(StatsReport(Self.some, filter: "generation").json.line)["stats"]?.keys == [
                "sluice_generation"
            ])
    }

    @Test("A series is read with what its labels escape, and what is not one is none")
    func names() throws {
        let name = try #require(SeriesName(#"a_total{rule="x\"}\\,\n",limit="5 per 10m"}"#))
        #expect(name.family == "a_total")
        #expect(name.labels == ["rule": "x\"}\\,\n", "limit": "5 per 10m"])
        #expect(SeriesName("plain")?.labels == [:])
        #expect(SeriesName("a{}")?.labels == [:])
        for text in ["a{", "a{b", "a{b=", #"a{b="c"#, #"a{b="c""#, #"a{b="c"}d"#, #"a{b="c\"#, #"a{b=c}"#] {
            #expect(SeriesName(text) == nil, "\(text)")
        }
    }

    @Test("A rule's counts are summed over verdict and basis, its limits' trips over shadow and enforced")
    func counts() throws {
        let counts = try #require(
            RuleCounts(
                Self.stats([
                    (#"sluice_rule_decisions_total{rule="a",verdict="allow",basis="redis"}"#, 90),
                    (#"sluice_rule_decisions_total{rule="a",verdict="deny",basis="redis"}"#, 7),
                    (#"sluice_rule_decisions_total{rule="a",verdict="review",basis="policy"}"#, 3),
                    (#"sluice_trips_total{rule="a",limit="5 per 10m"}"#, 6),
                    (#"sluice_shadow_trips_total{rule="a",limit="5 per 10m"}"#, 4),
                    (#"sluice_trips_total{rule="a",limit="bad"}"#, -.infinity),
                ])))
        #expect(counts["a"].judged == 100)
        #expect(counts["a"].tripped == 7)
        #expect(counts["a"].trips == ["5 per 10m": 10])
        #expect(counts["new"].judged == 0)
        #expect(RuleCounts(Self.some) == nil)
        #expect(RuleCounts(Self.stats([("sluice_rules_loaded_timestamp_seconds", 1)])) != nil)
    }
}

@Suite struct RuleCountsOutputTests {
    private static func rules() -> WireRulesResponse {
        var response = WireRulesResponse()
        (response.generation, response.source, response.loadedAtMs) = (4, "limits.yaml", 1_700_000_000_000)
        response.yaml = """
            version: 1
            rules:
              - { name: logins, check: login, per: [user], limits: [ { max: 5, window: 10m }, { max: 9, window: 1d } ] }

            """
        return response
    }

    private static func service(stats: FakeService.Reply, lastError: String = "") throws -> FakeService {
        var response = rules()
        response.lastError = lastError
        return try FakeService { [response] method, _ in method == .rules ? .init(response) : stats }
    }

    private static var stats: WireStatsResponse {
        var stats = WireStatsResponse()
        let series: [(String, Double)] = [
            (#"sluice_rule_decisions_total{rule="logins",verdict="allow",basis="redis"}"#, 1_990),
            (#"sluice_rule_decisions_total{rule="logins",verdict="deny",basis="redis"}"#, 10),
            (#"sluice_trips_total{rule="logins",limit="5 per 10m"}"#, 10),
        ]
        stats.stats = series.map { name, value in
            var stat = WireStat()
            (stat.name, stat.value) = (name, value)
            return stat
        }
        return stats
    }

    @Test("Rules come with how often each judged and tripped, and a failed reload comes first")
    func counted() throws {
        let service = try Self.service(stats: .init(Self.stats), lastError: "limits.yaml:1:1: bad \u{1B}\nsecond")
        let words = try service.sluice("rules").output
        #expect(
            words.hasPrefix(
                """
                THE LAST RELOAD FAILED; the rules below stay in force
                  limits.yaml:1:1: bad \\u{1b}
                  second

                generation  4

                """))
        #expect(words.contains("d ") && words.contains(" ago, 2023-11-14T22:13:20Z"))
        #expect(words.contains("5 per 10m deny (10 trips), 9 per 1d deny   2,000       10  0.5%"))
        let rule = try service.sluice("rules", "--json").json()["rules"]?[0]
        #expect(rule?["judged"] == 2_000)
        #expect(rule?["tripped"] == 10)
        #expect(rule?["limits"]?[0]?["trips"] == 10)
        #expect(rule?["limits"]?[1]?["trips"] == 0)
    }

    @Test("Without counts, or without any numbers, the rules are shown all the same")
    func uncounted() throws {
        for stats in [FakeService.Reply(WireStatsResponse()), .refusal(.internal, "no numbers")] {
            let service = try Self.service(stats: stats)
            let words = try service.sluice("rules")
            #expect(words.status == 0)
            #expect(words.output.contains("logins"))
            #expect(!words.output.contains("JUDGED"))
            let rule = try service.sluice("rules", "--json").json()["rules"]?[0]
            #expect(rule?["judged"] == nil as JSONValue)
            #expect(rule?["limits"]?[0]?["trips"] == nil as JSONValue)
        }
    }
}
