import Foundation
import SluiceClient
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

@Suite("Metrics", .timeLimit(.minutes(1)))
struct MetricsTests {
    private static let limits = """
        version: 1
        rules:
          - { name: logins, check: login, per: [user], limits: [ { max: 2, window: 1h, verdict: challenge }, { max: 4, window: 1h } ] }
          - { name: trial, check: login, per: [user], limits: [ { max: 1, window: 1h } ], shadow: true }
        """

    /// The body and the head of a GET, by curl: a client that is not ours.
    static func get(_ url: String, _ arguments: String...) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["curl", "-s", "--max-time", "5"] + arguments + [url]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self)
    }

    private static func login(_ service: ServiceProcess, _ times: Int) async throws {
        try await service.withClient { client in
            for _ in 0..<times {
                _ = try await client.check(WireCheckRequest(action: "login", entities: [WireEntity("user", "u\"1\n")]))
            }
        }
    }

    @Test("promtool accepts them, they tell what happened, and no request's text is in them")
    func promtool() async throws {
        let service = try await ServiceProcess.start(
            limits: Self.limits, settings: "bounds: { refusals_per_loop: 0 }",
            ["--http", "127.0.0.1:0", "--threads", "2"])
        try await Self.login(service, 6)
        let text = try Self.get("http://\(service.address("http"))/metrics")
        let lines = Set(text.split(separator: "\n").map(String.init))
        for line in [
            #"sluice_decisions_total{basis="redis",verdict="allow"} 2"#,
            #"sluice_decisions_total{basis="redis",verdict="challenge"} 2"#,
            #"sluice_decisions_total{basis="redis",verdict="deny"} 2"#,
            #"sluice_rule_decisions_total{rule="logins",verdict="allow",basis="redis"} 2"#,
            #"sluice_rule_decisions_total{rule="logins",verdict="challenge",basis="redis"} 2"#,
            #"sluice_rule_decisions_total{rule="logins",verdict="deny",basis="redis"} 2"#,
            #"sluice_rule_decisions_total{rule="trial",verdict="deny",basis="redis"} 5"#,
            #"sluice_trips_total{rule="logins",limit="2 per 1h"} 4"#,
            #"sluice_trips_total{rule="logins",limit="4 per 1h"} 2"#,
            #"sluice_shadow_trips_total{rule="trial",limit="1 per 1h"} 5"#,
            "sluice_request_duration_seconds_count 6", "sluice_redis_connected 1", "sluice_generation 1",
            "sluice_rules 2", "sluice_last_reload_ok 1", #"sluice_reloads_total{outcome="bad_file"} 0"#,
        ] { #expect(lines.contains(line), "\(line)") }
        #expect(!text.contains("u\\\"1") && !text.contains("u\"1"))
        let tool = Process()
        tool.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        tool.arguments = ["promtool", "check", "metrics"]
        let (input, output) = (Pipe(), Pipe())
        tool.standardInput = input
        tool.standardOutput = output
        tool.standardError = output
        try tool.run()
        input.fileHandleForWriting.write(Data(text.utf8))
        try input.fileHandleForWriting.close()
        let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        tool.waitUntilExit()
        #expect(tool.terminationStatus == 0, "\(said)")
        #expect(said == "")
    }

    @Test("A counter never goes down when the rules change")
    func reload() async throws {
        let service = try await ServiceProcess.start(limits: Self.limits)
        try await Self.login(service, 6)
        let before = try await service.stats().filter { $0.key.hasSuffix("_total") || $0.key.contains("_total{") }
        let text = Self.limits.replacing("trial", with: "other").replacing("max: 4", with: "max: 5")
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(service.folder)/limits.yaml"))
        let outcome = try await service.withClient("admin") { try await $0.reload() }
        #expect(outcome.generation == 2)
        try await Self.login(service, 1)
        let after = try await service.stats()
        for (name, value) in before { #expect(after[name] ?? -1 >= value, "\(name)") }
        #expect(after[#"sluice_shadow_trips_total{rule="trial",limit="1 per 1h"}"#] == 5)
        #expect(after[#"sluice_trips_total{rule="logins",limit="4 per 1h"}"#] == 2)
        #expect(after[#"sluice_trips_total{rule="logins",limit="2 per 1h"}"#] == 5)
        #expect(after[#"sluice_reloads_total{outcome="ok"}"#] == 1)
    }

    @Test("The status page tells the same as JSON, with masked values, and HTTP answers only what it should")
    func status() async throws {
        let service = try await ServiceProcess.start(limits: Self.limits, ["--http", "127.0.0.1:0"])
        try await Self.login(service, 6)
        try await Task.sleep(for: .milliseconds(2_200))
        let http = "http://\(service.address("http"))"
        let json = try #require(
            try JSONSerialization.jsonObject(with: Data(try Self.get("\(http)/api/status").utf8)) as? [String: Any])
        #expect(
            (json["totals"] as? [String: Any])?["decisions"] as? [String: Int] == [
                "allow": 2, "review": 0, "challenge": 2, "deny": 2,
            ])
        let rules = try #require(json["rules"] as? [[String: Any]])
        #expect(rules.map { $0["name"] as? String } == ["logins", "trial"])
        #expect(rules.map { $0["judged"] as? Int } == [6, 6])
        #expect(rules.map { $0["tripped"] as? Int } == [4, 5])
        #expect(!((json["seconds"] as? [Any]) ?? []).isEmpty)
        let top = try #require(json["top"] as? [String: Any])
        #expect(top["values"] as? String == "masked")
        #expect(((top["busy"] as? [[String: Any]])?.first?["value"] as? String)?.hasPrefix("••• (#") == true)
        let ready = try Self.get("\(http)/readyz")
        #expect(ready.contains(#""last_reload_error":null"#))
        let head = try Self.get("\(http)/", "-D", "-", "-o", "/dev/null").lowercased()
        #expect(head.contains("content-security-policy: default-src 'none'"))
        #expect(head.contains("x-content-type-options: nosniff"))
        #expect(try Self.get("\(http)/healthz", "-I", "-w", "%{http_code}", "-o", "/dev/null") == "200")
        #expect(try Self.get("\(http)/metrics", "-X", "DELETE", "-w", "%{http_code}", "-o", "/dev/null") == "404")
        #expect(try Self.get("\(http)/nothing", "-w", "%{http_code}", "-o", "/dev/null") == "404")
        #expect(
            try Self.get("\(http)/metrics", "-H", "Host: evil.example", "-w", "%{http_code}", "-o", "/dev/null")
                == "421")
    }

    @Test("Labels are escaped and histograms add up")
    func rendering() {
        var family = MetricFamily(.counter, "x_total", "Some.")
        family.add(1, ("limit", "a\"b\\c\nd"))
        var text = ""
        family.write(to: &text)
        #expect(text.hasSuffix("x_total{limit=\"a\\\"b\\\\c\\nd\"} 1\n"))
        var histogram = FixedHistogram(bounds: [10, 100])
        for value in [1, 10, 11, 100, 101] as [UInt64] { histogram.record(value) }
        #expect(histogram.counts == [2, 2, 1])
        #expect(histogram.sum == 223)
        #expect(histogram.quantile(0.2) == 5)
        #expect(histogram.quantile(1) == 100)
        #expect(FixedHistogram(bounds: [1]).quantile(0.5) == nil)
    }
}
