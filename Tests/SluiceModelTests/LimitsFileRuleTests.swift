import Testing

@testable import SluiceModel

@Suite struct LimitsFileRuleTests {
    private func rules(_ fixture: String, unsupported: Set<LimitsFile.Feature> = LimitsFile.unsupported) throws
        -> [Rule]
    {
        let source = try LimitsFile.Source(name: fixture, text: LimitsFileFixtureTests.text(fixture))
        return try LimitsFile.parse([source], unsupported: unsupported).file.rules
    }

    @Test("Every key of a rule reaches the rule, with texts as they are written")
    func everyKey() throws {
        let rules = try rules("valid-everything.yaml")
        #expect(
            rules == [
                Rule(
                    name: "login-failures",
                    check: [Pattern("login"), Pattern("login.", isPrefix: true)],
                    count: [Pattern("login.failed")],
                    per: ["user", "device"],
                    when: [
                        Condition(dimension: "market", patterns: [Pattern("NO"), Pattern("on"), Pattern("1e3")]),
                        Condition(dimension: "channel", patterns: [Pattern("web")]),
                    ],
                    measure: .count,
                    limits: [
                        Limit(max: 5, windowMs: 600_000, verdict: .challenge, text: "5 per 10m"),
                        Limit(max: 500_000, windowMs: 7_776_000_000, verdict: .deny, text: "500_000 per 90d"),
                    ],
                    counting: .attempts,
                    shadow: true,
                    onRedisFailure: .allow,
                    exactUpTo: 1_024,
                    slices: 120,
                    overrides: [
                        Override(
                            conditions: [
                                Condition(
                                    dimension: "user", patterns: [Pattern("u1"), Pattern("test-", isPrefix: true)]),
                                Condition(dimension: "market", patterns: [Pattern("NO")]),
                            ],
                            effect: .limits([Limit(max: 0, windowMs: 1, verdict: .review, text: "0 per 1ms")])),
                        Override(
                            conditions: [Condition(dimension: "device", patterns: [Pattern("d1")])], effect: .exempt),
                    ],
                    notes: [
                        Rule.Note(key: "description", text: "Failed logins, by user"),
                        Rule.Note(key: "owner", text: "account-security"),
                        Rule.Note(key: "x-ticket", text: "RISK-17"),
                    ]),
                Rule(
                    name: "all", check: [Pattern("", isPrefix: true)], per: [],
                    limits: [
                        Limit(max: 9_007_199_254_740_991, windowMs: 1_000, text: "9007199254740991 per 1s")
                    ],
                    onRedisFailure: .deny, exactUpTo: 32, slices: 30),
            ])
    }

    @Test("The contract's example is read whole once all of it is supported")
    func contractExample() throws {
        let rules = try rules("spec-example.yaml", unsupported: [])
        #expect(rules.map(\.name) == ["login-failures", "cards-per-device", "spend-per-user", "merchant-orders"])
        #expect(rules.map(\.measure) == [.count, .distinct(dimension: "card"), .sum, .count])
        #expect(rules.map(\.onRedisFailure) == [.allow, .allow, .allow, .local])
        #expect(rules.map(\.shadow) == [false, false, true, false])
        #expect(rules[0].count == [Pattern("login.failed")])
        #expect(rules[1].count == [Pattern("payment.attempt")])
        #expect(rules[2].limits.map(\.text) == ["500_000 per 1d"])
        #expect(rules[3].overrides.map(\.effect).last == .exempt)
        #expect(rules[3].overrides.last?.conditions.first?.patterns == [Pattern("m-test-", isPrefix: true)])
    }

    @Test("An alias stands for the value it names")
    func aliases() throws {
        let rules = try rules("valid-aliases.yaml")
        #expect(rules[1].check == [Pattern("login"), Pattern("signup")])
        #expect(rules[1].limits == rules[0].limits)
    }

    @Test("A quoted number is a text wherever a text is wanted, and no number anywhere")
    func quotedNumbers() throws {
        let text = """
            version: 1
            rules:
              - { name: "1", check: "2", per: ["3"], when: { m: ["4", 0x5] }, limits: [ { max: 6, window: "7s" } ] }
            """
        let rule = try #require(LimitsFile.parse([LimitsFile.Source(name: "f", text: text)]).file.rules.first)
        #expect(rule.name == "1")
        #expect(rule.check == [Pattern("2")])
        #expect(rule.per == ["3"])
        #expect(rule.when == [Condition(dimension: "m", patterns: [Pattern("4"), Pattern("0x5")])])
        #expect(rule.limits == [Limit(max: 6, windowMs: 7_000, text: "6 per 7s")])
    }

    @Test("A star makes a prefix even where it is part of a longer character")
    func starBehindPrependedMark() {
        #expect(Pattern(spelled: "\u{600}*") == Pattern("\u{600}", isPrefix: true))
        #expect(Pattern(spelled: "*\u{301}").isPrefix == false)
    }
}
