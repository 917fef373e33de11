import SluiceModel
import SluiceWire
import Testing

@testable import sluice

@Suite struct DecisionReportTests {
    private static func denied() -> WireCheckResponse {
        var response = WireCheckResponse()
        response.verdict = .deny
        response.retryAfterMs = 250_000
        response.generation = 3
        var trip = WireTrip()
        (trip.rule, trip.windowMs, trip.max, trip.used) = ("login-failures", 86_400_000, 20, 20)
        (trip.verdict, trip.limit) = (.deny, "20 per 1d")
        trip.retryAfterMs = 250_000
        var never = trip
        (never.rule, never.limit, never.shadow, never.reason) = ("trial", "0 per 1d", true, .blocked)
        never.clearRetryAfterMs()
        response.trips = [trip, never]
        (response.tightest.rule, response.tightest.limit) = ("login-failures", "20 per 1d")
        (response.tightest.max, response.tightest.remaining, response.tightest.resetMs) = (20, 0, 86_400_000)
        return response
    }

    @Test("A denial says when to come back, what tripped, and what is tightest")
    func words() {
        #expect(
            DecisionReport(Self.denied()).lines(for: Terminal(hasColour: false)) == [
                "deny",
                "retry after 4m 10s",
                "",
                "RULE            LIMIT      USED  VERDICT  RETRY AFTER  NOTE",
                "login-failures  20 per 1d    20  deny     4m 10s",
                "trial           0 per 1d     20  deny     never        shadow, BLOCKED",
                "",
                "tightest: login-failures, 20 per 1d: 0 of 20 left, empty again in 1d",
                "generation 3",
            ])
    }

    @Test("A list is no rule: what it says and until when stands in a row of its own")
    func listed() {
        var response = WireCheckResponse()
        response.verdict = .deny
        var deny = WireTrip()
        (deny.verdict, deny.limit, deny.reason, deny.retryAfterMs) = (.deny, "deny device", .listed, 60_000)
        var allow = WireTrip()
        (allow.verdict, allow.limit, allow.reason) = (.allow, "allow user", .listed)
        response.trips = [deny, allow]
        #expect(
            DecisionReport(response).lines(for: Terminal(hasColour: false))[2...4] == [
                "RULE  LIMIT        USED  VERDICT  RETRY AFTER  NOTE",
                "-     deny device     -  deny     1m           LISTED",
                "-     allow user      -  allow    -            LISTED",
            ])
    }

    @Test("An answer that Redis did not give says so, and a verdict that is not known is a denial")
    func unusual() throws {
        var response = WireCheckResponse()
        response.basis = .policy
        response.duplicate = true
        #expect(
            DecisionReport(response).lines(for: Terminal(hasColour: false)).first
                == "allow (by the rules' on_redis_failure, Redis did not answer in time; decided before, counted once)")
        response.verdict = .UNRECOGNIZED(9)
        #expect(DecisionReport(response).verdict == .deny)
        #expect(ExitStatus(DecisionReport(response).verdict) == .deny)
    }

    @Test("The JSON of a decision has the documented keys")
    func json() throws {
        let json = try JSONValue(DecisionReport(Self.denied()).json.line)
        #expect(
            json.keys == ["basis", "duplicate", "generation", "retry_after_ms", "tightest", "trips", "verdict"])
        #expect(
            json["trips"]?[0]?.keys == [
                "limit", "max", "reason", "retry_after_ms", "rule", "shadow", "used", "verdict", "window_ms",
            ])
        #expect(json["trips"]?[1]?["retry_after_ms"] == nil as JSONValue)
        #expect(json["trips"]?[1]?["reason"] == "blocked")
        #expect(json["tightest"]?.keys == ["limit", "max", "remaining", "reset_ms", "rule", "window_ms"])
    }
}

@Suite struct UsageReportTests {
    @Test("Usage is one row a limit, with the tuple's values escaped")
    func words() {
        var response = WireInspectResponse()
        response.generation = 2
        var usage = WireUsage()
        (usage.rule, usage.measure, usage.limit) = ("spend", "sum of amount", "500000 per 1d")
        (usage.windowMs, usage.max, usage.used, usage.resetMs) = (86_400_000, 500_000, 1_200, 61_000)
        usage.verdict = .review
        usage.per = [WireEntity("user", "u\u{1B}1")]
        response.usages = [usage]
        #expect(
            UsageReport(response, of: [], listings: []).lines(for: Terminal(hasColour: false)) == [
                "RULE   PER            MEASURE        LIMIT               USED/MAX  FULL                 VERDICT  FREES UP IN",
                #"spend  user=u\u{1b}1  sum of amount  500000 per 1d  1,200/500,000  [#-----------]   0%  review   1m 1s"#,
                "generation 2",
            ])
    }

    @Test("A block says how long it stands and which step it is; a listing has a line above the limits")
    func blocked() {
        var usage = WireUsage()
        (usage.rule, usage.measure, usage.limit, usage.max) = ("logins", "count", "5 per 10m", 5)
        (usage.blockedMs, usage.blockStep) = (3_600_000, 2)
        var response = WireInspectResponse()
        response.usages = [usage]
        var listing = WireListing()
        (listing.entity, listing.kind, listing.untilMs) = (WireEntity("user", "u\u{1B}1"), .deny, 1_700_000_000_000)
        (listing.by, listing.reason) = ("ann", "case 8812")
        var filed = WireListing()
        (filed.entity, filed.kind, filed.fromFile) = (WireEntity("ip", "203.0.113.0/24"), .watch, true)
        let lines = UsageReport(response, of: [], listings: [listing, filed]).lines(for: Terminal(hasColour: false))
        #expect(
            lines.prefix(2) == [
                #"on the deny list: user=u\u{1b}1, until 2023-11-14T22:13:20Z, by ann: case 8812"#,
                "on the watch list: ip=203.0.113.0/24, for good, by the limits file",
            ])
        #expect(lines[2].hasSuffix("  BLOCKED"))
        #expect(lines[3].hasSuffix("  1h (step 2)"))
    }

    @Test("No usage says whom no rule limits")
    func none() {
        let entities = [EntityArgument(argument: "user=a=b")!]
        #expect(entities[0].value == "a=b")
        #expect(
            UsageReport(WireInspectResponse(), of: entities, listings: []).lines(for: Terminal(hasColour: false))
                == ["no rule of generation 0 limits user=a=b"])
    }
}

@Suite struct RulesReportTests {
    @Test("A directory's rules are listed as one set, and JSON tells what each does")
    func directory() throws {
        var response = WireRulesResponse()
        response.generation = 4
        response.source = "limits.d"
        response.lastError = "limits.d/b.yaml:1:1: bad"
        response.yaml = """
            # ---- a.yaml
            version: 1
            rules:
              - { name: first, check: "login*", per: [user], limits: [ { max: 5, window: 10m, verdict: review } ] }
            # ---- b.yaml
            version: 1
            rules:
              - { name: second, check: pay, per: [], limits: [ { max: 9, window: 1d } ], shadow: true }

            """
        let report = RulesReport(response, counts: nil, nowMs: 0)
        let lines = report.lines(for: Terminal(hasColour: false))
        #expect(
            lines.prefix(2) == ["THE LAST RELOAD FAILED; the rules below stay in force", "  limits.d/b.yaml:1:1: bad"])
        #expect(lines.suffix(2).map { $0.prefix(8) } == ["first   ", "second  "])
        let json = try JSONValue(report.json.line)
        #expect(
            json.keys == ["generation", "last_error", "loaded_at_ms", "rules", "sha256", "source"])
        #expect(json["rules"]?[0]?["check"]?[0] == "login*")
        #expect(json["rules"]?[0]?["limits"]?[0]?["window_ms"] == 600_000)
        #expect(json["rules"]?[1]?["shadow"] == true)
    }
}
