import Foundation
import Testing

@Suite("What an operator looks up", .timeLimit(.minutes(2)))
struct OperatorTests {
    private static let limits = """
        version: 1
        rules:
          - { name: logins, check: login, per: [user], limits: [ { max: 4, window: 1h } ] }
          - { name: trial, check: login, per: [ip], limits: [ { max: 1, window: 1h } ], shadow: true }
        """

    private static func login(_ service: RunningService, times: Int, ip: String = "10.0.0.1") throws {
        for _ in 0..<times { _ = try service.sluice("check", "login", "user=u17", "ip=\(ip)") }
    }

    @Test("Top shows who comes up most and who is refused most, in words and in JSON")
    func top() throws {
        let service = try RunningService(limits: Self.limits)
        try Self.login(service, times: 6)
        _ = try service.sluice("check", "login", "user=a\u{1B}[31m")
        let busy = try service.sluice("top")
        #expect(busy.outputLines.contains { $0.hasPrefix("      6  ") && $0.hasSuffix("  10.0.0.1") })
        #expect(busy.output.contains(#"a\u{1b}[31m"#))
        let refused = try service.sluice("top", "--by", "refused", "--dimension", "user", "--json").json()
        #expect(refused["entries"]?.count == 1)
        #expect(refused["entries"]?[0]?["value"] == "u17")
        #expect(refused["entries"]?[0]?["count"] == 2)
        #expect(try service.sluice("top", "--by", "loudest").status == 64)
        #expect(try service.sluice("top", "--count", "101").status == 64)
    }

    @Test("Rules are shown with what each has judged and tripped")
    func rules() throws {
        let service = try RunningService(limits: Self.limits)
        try Self.login(service, times: 5)
        let rules = try service.sluice("rules", "--json").json()["rules"]
        #expect(rules?[0]?["judged"] == 5)
        #expect(rules?[0]?["tripped"] == 1)
        #expect(rules?[1]?["tripped"] == 4)
        let words = try service.sluice("rules").outputLines
        #expect(words.contains { $0.hasPrefix("logins") && $0.contains("20.0%") })
        #expect(words.contains { $0.hasPrefix("loaded ") && ($0.contains("just now, ") || $0.contains(" ago, ")) })
    }

    @Test("Stats are filtered, and leave out buckets unless they are asked for")
    func stats() throws {
        let service = try RunningService(limits: Self.limits)
        let names = try service.sluice("stats").output
        #expect(names.contains("sluice_request_duration_seconds_count") && !names.contains("_bucket"))
        #expect(try service.sluice("stats", "--all").output.contains("  le=\"+Inf\""))
        #expect(
            try service.sluice("stats", "--filter", "reload").outputLines.allSatisfy {
                $0.contains("reload") || $0.hasPrefix("NAME") || $0.hasPrefix("  ")
            })
    }
}
