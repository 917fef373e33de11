import Testing

@testable import SluiceModel

@Suite struct LimitsFileRuleTests {
    private func file(_ fixture: String) throws -> LimitsFile {
        let source = try LimitsFile.Source(name: fixture, text: LimitsFileFixtureTests.text(fixture))
        return try LimitsFile.parse([source]).file
    }

    private func rules(_ fixture: String) throws -> [Rule] { try file(fixture).rules }

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

    @Test("The contract's example is read whole")
    func contractExample() throws {
        let rules = try rules("warning-spec-example.yaml")
        #expect(rules.map(\.name) == ["login-failures", "cards-per-device", "spend-per-user", "merchant-orders"])
        #expect(rules.map(\.measure) == [.count, .distinct(dimension: "card"), .sum, .count])
        #expect(rules.map(\.onRedisFailure) == [.allow, .allow, .allow, .local])
        #expect(rules.map(\.shadow) == [false, false, true, false])
        #expect(rules[0].count == [Pattern("login.failed")])
        #expect(rules[1].count == [Pattern("payment.attempt")])
        #expect(rules[0].limits.map(\.blockForMs) == [[], [900_000, 7_200_000, 86_400_000]])
        #expect(rules[2].limits.map(\.text) == ["500_000 per 1d"])
        #expect(rules[3].overrides.map(\.effect).last == .exempt)
        #expect(rules[3].overrides.last?.conditions.first?.patterns == [Pattern("m-test-", isPrefix: true)])
    }

    @Test("Lists, normalisers and the memory of events reach the file, the values in normal form")
    func listsAndNormalizers() throws {
        let file = try file("valid-lists-and-dimensions.yaml")
        #expect(
            file.normalizers == [
                "email": .lower, "ip": .ip(v4Prefix: 32, v6Prefix: 128), "addr": .ip(v4Prefix: 24, v6Prefix: 64),
                "proxy": .ip(v4Prefix: 32, v6Prefix: 56),
            ])
        #expect(file.eventMemoryMs == 3_600_000)
        func listing(_ kind: ListKind, _ dimension: String, _ values: String...) -> FileListing {
            FileListing(kind: kind, dimension: dimension, patterns: values.map { Pattern(spelled: $0) })
        }
        #expect(
            file.lists == [
                listing(.deny, "ip", "203.0.113.0/24", "2001:db8::/32", "198.51.100.7", "2001:db8:ffff::1", "10.0.*"),
                listing(.deny, "device", "d-BAD", "bot-*", "a/24"),
                listing(.allow, "email", "probe@example.com", "qa-*"),
                listing(.watch, "addr", "192.0.2.0/24", "2001:db8:1:2::/64", "2001:db8:1::/56", "192.0.2.128/25"),
            ])
        #expect(file.rules[0].when[0].patterns == [Pattern("a@b.example"), Pattern("vip-", isPrefix: true)])
        #expect(
            file.rules[0].overrides.map { $0.conditions[0].patterns }
                == [
                    [Pattern("2001:db8::1"), Pattern("203.0.113.9"), Pattern("2001:db", isPrefix: true)],
                    [Pattern("2001:db8::/64"), Pattern("2001:db8:1::/64")],
                ])
    }

    @Test("A file that says nothing of lists has none, and remembers events for ten minutes")
    func nothingSaid() throws {
        let file = try file("valid-minimal.yaml")
        #expect(file.lists == [] && file.normalizers == [:])
        #expect(file.eventMemoryMs == LimitsFile.standardEventMemoryMs)
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
