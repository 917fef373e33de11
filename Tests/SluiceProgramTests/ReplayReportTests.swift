import SluiceModel
import SluiceWire
import Testing

@testable import sluice

@Suite struct ReplayReportTests {
    private static let rules = [
        Rule(
            name: "per-user", check: [Pattern("login")], per: ["user"],
            limits: [
                Limit(max: 1, windowMs: 60_000, verdict: .challenge, text: "1 per 1m"),
                Limit(max: 5, windowMs: 60_000, text: "5 per 1m"),
            ]),
        Rule(
            name: "pairs", check: [Pattern("login")], per: ["user", "ip"],
            limits: [Limit(max: 1, windowMs: 60_000, text: "1 per 1m")], shadow: true),
        Rule(
            name: "failures", check: [Pattern("login")], count: [Pattern("login.", isPrefix: true)], per: ["ip"],
            limits: [Limit(max: 1, windowMs: 60_000, verdict: .review, text: "1 per 1m")],
            overrides: [
                Override(
                    conditions: [Condition(dimension: "ip", patterns: [Pattern("10.", isPrefix: true)])],
                    effect: .exempt)
            ]),
    ]

    private var report = ReplayReport(rules: rules)
    private var judging = JudgingRules(rules)

    private mutating func add(_ line: String, _ verdict: WireVerdict, _ trips: [(String, WireVerdict, Bool)] = [])
        throws
    {
        let event = try EventLine(line: Array(line.utf8))
        var response = WireCheckResponse()
        response.verdict = verdict
        response.trips = trips.map { rule, verdict, shadow in
            var trip = WireTrip()
            trip.rule = rule
            trip.verdict = verdict
            trip.shadow = shadow
            return trip
        }
        report.add(event, response, judging: judging.judging(event))
    }

    @Test("A rule judged an event where its action, its dimensions and its overrides say so, tripped or not")
    mutating func judged() throws {
        try add(#"{"at":1,"action":"login","entities":{"user":"a","ip":"1.2.3.4"}}"#, .allow)
        try add(#"{"at":2,"action":"login","entities":{"user":"a"}}"#, .allow)
        try add(#"{"at":3,"action":"login","entities":{"user":"a","ip":"10.0.0.1"}}"#, .allow)
        try add(#"{"at":4,"action":"login.failed","entities":{"user":"a","ip":"1.2.3.4"},"mode":"record"}"#, .allow)
        try add(#"{"at":5,"action":"login","entities":{"user":"","ip":"1.2.3.4"},"mode":"peek"}"#, .allow)
        try add(#"{"at":5,"action":"login.failed","entities":{"user":"a","ip":"1.2.3.4"}}"#, .allow)
        try add(#"{"at":0,"action":"checkout","entities":{"user":"a","ip":"1.2.3.4"}}"#, .allow)
        #expect(report.perRule.map(\.judged) == [3, 2, 2])
        #expect([.check, .peek, .record].map { report.events($0) } == [5, 1, 1])
        #expect(report.times == 0...5)
        #expect(report.judged == 6)
    }

    @Test("An event counts once for a rule, at the worst of its trips, and its tuple once")
    mutating func trips() throws {
        for user in ["a", "a", "b"] {
            try add(
                #"{"at":1,"action":"login","entities":{"user":"\#(user)","ip":"1.2.3.4"}}"#, .deny,
                [("per-user", .challenge, false), ("per-user", .deny, false), ("pairs", .deny, true)])
        }
        try add(#"{"at":1,"action":"login","entities":{"user":"a","ip":"5.6.7.8"}}"#, .allow, [("pairs", .deny, true)])
        #expect(report.perRule.map(\.tripped) == [3, 4, 0])
        #expect(report.perRule[0].worst[.deny] == 3)
        #expect(report.perRule[0].worst[.challenge] == 0)
        #expect(report.perRule.map(\.touched.count) == [2, 3, 0])
        #expect(report.verdicts[.deny] == 3)
        #expect(report.verdicts[.allow] == 1)
    }

    @Test("Neighbouring values of a tuple do not run together")
    func tuples() {
        var tuples = DistinctTuples()
        for (user, ip) in [("ab", "c"), ("a", "bc"), ("abc", ""), ("ab", "c")] {
            tuples.insert([Array(user.utf8)[...], Array(ip.utf8)[...]])
        }
        #expect(tuples.count == 3)
        #expect(!tuples.isBeyondBound)
    }

    @Test("A label's events are told apart from honest ones, with the enforced rule that caught most")
    mutating func labels() throws {
        let bot = #"{"at":1,"action":"login","entities":{"user":"a","ip":"1.2.3.4"},"label":"bots"}"#
        try add(bot, .deny, [("per-user", .deny, false), ("pairs", .deny, true)])
        try add(bot, .allow, [("pairs", .deny, true)])
        try add(bot, .review, [("failures", .review, false), ("per-user", .challenge, false), ("pairs", .deny, true)])
        try add(#"{"at":1,"action":"login","entities":{"user":"b"}}"#, .challenge, [("per-user", .challenge, false)])
        try add(#"{"at":1,"action":"login","entities":{"user":"c"}}"#, .allow)
        try add(#"{"at":1,"action":"login.failed","entities":{"user":"c"},"mode":"record"}"#, .allow)

        let bots = try #require(report.labels.first)
        #expect(bots.label == "bots")
        #expect(bots.count.events == 3)
        #expect(bots.count.verdicts[.deny] == 1)
        #expect(report.mainCatcher(of: bots.count)?.rule == "per-user")
        #expect(report.mainCatcher(of: bots.count)?.events == 2)
        #expect(report.unlabelled.events == 3)
        #expect(report.lines(for: Terminal(hasColour: false)).last == "without a label: 1 of 2 not allowed (50.0%)")
        let json = try JSONValue(report.json.line)
        #expect(json["labels"]?[0]?["caught_mostly_by"] == "per-user")
        #expect(json["unlabelled"]?["verdicts"]?["challenge"] == 1)
    }

    @Test("More labels than are kept apart are counted together")
    mutating func manyLabels() throws {
        for label in 0..<(ReplayReport.labelsApart + 5) {
            try add(#"{"at":1,"action":"login","label":"l\#(label)"}"#, .allow)
        }
        #expect(report.labels.count == ReplayReport.labelsApart)
        #expect(report.otherLabels.events == 5)
    }
}

@Suite struct DecisionLineTests {
    @Test("A decision is one line with the keys in the order of the contract")
    func decided() {
        var response = WireCheckResponse()
        response.verdict = .challenge
        var trip = WireTrip()
        (trip.rule, trip.windowMs, trip.max, trip.used, trip.verdict) = ("r", 600_000, 5, 5, .challenge)
        trip.retryAfterMs = 1_234
        response.trips = [trip]
        #expect(
            DecisionLine.decided(0, response).line == """
                {"n": 0, "verdict": "challenge", "retry_after_ms": null, "trips": [{"rule": "r", "window_ms": 600000, \
                "max": 5, "used": 5, "verdict": "challenge", "shadow": false, "retry_after_ms": 1234}]}
                """)
    }

    @Test("A bad line is told with its number")
    func bad() {
        #expect(DecisionLine.bad(7, "no \"at\"").line == #"{"n": 7, "error": "no \"at\""}"#)
    }
}
