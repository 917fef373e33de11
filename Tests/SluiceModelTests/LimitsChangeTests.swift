import SluiceModel
import Testing

@Suite("What a changed limits file does is told in words")
struct LimitsChangeTests {
    private static func file(_ rules: String, _ head: String = "") throws -> LimitsFile {
        let text = "version: 1\n\(head)\nrules:\n" + rules.split(separator: "\n").map { "  - { \($0) }\n" }.joined()
        return try LimitsFile.parse([.init(name: "limits.yaml", text: text)]).file
    }

    private static func changes(_ old: String, _ new: String) throws -> [String] {
        LimitsChange.changes(from: try file(old), to: try file(new)).map(\.description)
    }

    private static let base = "name: a, check: x, per: [user], limits: [ { max: 5, window: 10m } ]"

    @Test("Nothing changed is told as nothing")
    func same() throws {
        #expect(try Self.changes(Self.base, Self.base) == [])
    }

    @Test(
        "One edit is one line",
        arguments: [
            ("max: 5, window: 10m", "max: 4, window: 10m", "a: 5 → 4 per 10m, acts at once"),
            ("window: 10m", "window: 1h", "a: window 10m → 1h, starts from the old window's events"),
            (
                "max: 5, window: 10m", "max: 50, window: 1d",
                "a: 5 per 10m → 50 per 1d, starts from the old window's events"
            ),
            ("window: 10m", "window: 10m, verdict: review", "a: 5 per 10m gives deny → review, acts at once"),
            (
                "{ max: 5, window: 10m }", "{ max: 5, window: 10m }, { max: 9, window: 1d }",
                "a: new limit 9 per 1d deny, starts from the events of the rule's other windows"
            ),
            ("check: x", "check: \"x*\"", "a: check x → x*, acts at once"),
            ("per: [user]", "per: [user, ip]", "a: per user → per user, ip, starts empty"),
            ("per: [user]", "per: []", "a: per user → for all together, starts empty"),
            ("per: [user]", "per: [user], shadow: true", "a: enforced → shadow, acts at once"),
            ("per: [user]", "per: [user], counting: attempts", "a: counting admitted → attempts, acts at once"),
            ("per: [user]", "per: [user], owner: risk", "a: owner none → \"risk\", changes no decision"),
            ("per: [user]", "per: [user], when: { market: [SG, MY] }", "a: when always → market=SG, MY, acts at once"),
            ("per: [user]", "per: [user], slices: 30", "a: slices 60 → 30, acts on each counter once it is empty"),
            (
                "per: [user]", "per: [user], overrides: [ { user: vip, exempt: true } ]",
                "a: new override user=vip: exempt, acts at once"
            ),
        ])
    func edits(_ from: String, _ to: String, _ line: String) throws {
        let edited = Self.base.replacing(from, with: to)
        let both = "count: x, \(Self.base)"
        let bothEdited = "count: x, \(edited)"
        #expect(try Self.changes(both, bothEdited) == [line])
    }

    @Test("A block that comes, goes or gets other steps is told where it changes")
    func blocks() throws {
        func changes(_ old: String, _ new: String) throws -> [String] {
            let (from, to) = ("window: 10m\(old)", "window: 10m\(new)")
            return try Self.changes(
                Self.base.replacing("window: 10m", with: from), Self.base.replacing("window: 10m", with: to))
        }
        #expect(
            try changes("", ", block_for: [15m, 2h]") == [
                "a: 5 per 10m blocks for nothing → 15m, 2h, acts from the next block on"
            ])
        #expect(
            try changes(", block_for: 900s", ", block_for: [15m, 2h]") == [
                "a: 5 per 10m blocks for 15m → 15m, 2h, acts from the next block on"
            ])
        #expect(try changes(", block_for: 15m", ", block_for: [900s]") == [])
        #expect(
            try changes("", " }, { max: 9, window: 1d, block_for: 1h") == [
                "a: new limit 9 per 1d deny, blocks for 1h, starts from the events of the rule's other windows"
            ])
    }

    @Test("A rule that measures something else starts from nothing")
    func measure() throws {
        func rule(_ measure: String) -> String { "\(Self.base), measure: \(measure)" }
        #expect(
            try Self.changes(rule("count"), rule("{ sum: amount }")) == [
                "a: measure count → sum of amount, starts empty"
            ])
        #expect(
            try Self.changes(rule("{ distinct: card }"), rule("{ distinct: device }")) == [
                "a: measure distinct card → distinct device, starts empty"
            ])
    }

    @Test("What holds for all rules is told: normalisers, lists by their values, and the memory of events")
    func fileWide() throws {
        func changes(_ old: String, _ new: String) throws -> [LimitsChange] {
            LimitsChange.changes(from: try Self.file(Self.base, old), to: try Self.file(Self.base, new))
        }
        func words(_ old: String, _ new: String) throws -> [String] { try changes(old, new).map(\.description) }
        #expect(
            try words("dimensions: { user: lower, ip: ip }", "dimensions: { ip: { type: ip, v6_prefix: 64 }, x: ip }")
                == [
                    "dimension ip: ip → ip, v6_prefix 64, starts new counters for values that change by it",
                    "dimension user: lower → as it is sent, starts new counters for values that change by it",
                    "dimension x: as it is sent → ip, starts new counters for values that change by it",
                ])
        #expect(
            try words("", "defaults: { event_memory: 1h }") == ["event_memory 10m → 1h, acts on events from now on"])
        let old = "lists: { deny: { device: [d-1, d-2] }, allow: { user: [probe] } }"
        let new = "lists: { watch: { user: [probe] }, deny: { device: [d-2, \"bot-*\", d-3] } }"
        #expect(
            try words(old, new) == [
                "list watch user: new probe, acts at once",
                "list deny device: new bot-*, d-3, acts at once",
                "list deny device: without d-1, acts at once",
                "list allow user: without probe, acts at once",
            ])
        #expect(
            try changes(old, new).map(\.discreet) == [
                "lists: new values, acts at once", "lists: new values, acts at once",
                "lists: values removed, acts at once", "lists: values removed, acts at once",
            ])
    }

    @Test("Rules that come, go, or only get another name")
    func rules() throws {
        let other = "name: b, check: y, per: [ip], limits: [ { max: 1, window: 1s } ]"
        #expect(
            try Self.changes(Self.base, "\(Self.base)\n\(other)") == ["b: new rule, 1 per 1s deny per ip, starts empty"]
        )
        #expect(
            try Self.changes("\(Self.base)\n\(other)", Self.base) == ["b: removed, its counters are no longer used"])
        #expect(
            try Self.changes(Self.base, Self.base.replacing("name: a", with: "name: c"))
                == ["c: renamed from a: counters of a are no longer used, starts empty"])
        #expect(
            try Self.changes("\(Self.base)\n\(other)", "\(other)\n\(Self.base)")
                == ["the rules stand in another order, changes only the order in which trips are listed"])
    }

    @Test("An override's limit is told with whom it is for, and its values by name")
    func overrides() throws {
        func rule(_ override: String) -> String {
            Self.base.replacing("per: [user]", with: "per: [user], overrides: [ \(override) ]")
        }
        #expect(
            try Self.changes(
                rule("{ user: [u1, u2], limits: [ { max: 7, window: 10m } ] }"),
                rule("{ user: [u1, u2], limits: [ { max: 8, window: 10m } ] }"))
                == ["a: override user=u1, u2: 7 → 8 per 10m, acts at once"])
        #expect(
            try Self.changes(rule("{ user: [u1], exempt: true }"), rule("{ user: [u1, u2], exempt: true }"))
                == ["a: override for user=u1 → user=u1, u2, acts at once"])
        #expect(
            try Self.changes(rule("{ user: [u1], exempt: true }"), Self.base) == [
                "a: override user=u1, no longer holds"
            ])
    }

    @Test("In a log a change names no values")
    func discreet() throws {
        func rule(_ more: String) -> String { Self.base.replacing("per: [user]", with: "per: [user], \(more)") }
        let changes = LimitsChange.changes(
            from: try Self.file(
                rule("when: { ip: [10.0.0.1] }, overrides: [ { user: [u1], limits: [ { max: 7, window: 10m } ] } ]")),
            to: try Self.file(
                rule(
                    "when: { ip: [10.0.0.2] }, overrides: [ { user: [u1], limits: [ { max: 8, window: 10m } ] }, { user: u2, exempt: true } ]"
                )))
        #expect(
            changes.map(\.discreet) == [
                "a: when changed, acts at once", "a: override changed, acts at once",
                "a: override_added changed, acts at once",
            ])
    }

    @Test("Guardrails of the rules in force refuse what is beyond them")
    func guardrails() throws {
        let rails = "reload: { max_limit_change: 2.5x, max_rules_removed: 50% }"
        let second = "name: b, check: y, per: [ip], limits: [ { max: 10, window: 1m } ]"
        let old = try Self.file("\(Self.base)\n\(second)", rails)
        func violations(_ rules: String) throws -> [String] {
            old.guardrails.violations(from: old, to: try Self.file(rules))
        }
        #expect(old.guardrails == Guardrails(maxLimitChange: 250, maxRulesRemoved: 50))
        #expect(try violations("\(Self.base)\n\(second.replacing("max: 10", with: "max: 25"))") == [])
        #expect(try violations("\(Self.base)\n\(second.replacing("max: 10", with: "max: 4"))") == [])
        #expect(try violations("\(Self.base)\n\(second.replacing("max: 10", with: "max: 26"))").count == 1)
        #expect(try violations("\(Self.base)\n\(second.replacing("max: 10", with: "max: 3"))").count == 1)
        #expect(try violations("\(Self.base)\n\(second.replacing("max: 10", with: "max: 0"))").count == 1)
        #expect(try violations("\(Self.base)\n\(second.replacing("window: 1m", with: "window: 1s"))").count == 1)
        #expect(try violations(Self.base) == [])
        #expect(try violations("name: c, check: y, per: [ip], limits: [ { max: 10, window: 1m } ]").count == 1)
    }

    @Test("Ten thousand override values are compared in a moment")
    func manyOverrides() throws {
        func rule(_ max: Int) -> String {
            let overrides = (0..<5_000).map { "{ user: u\($0), limits: [ { max: \(max), window: 10m } ] }" }
            return Self.base.replacing(
                "per: [user]", with: "per: [user], overrides: [ \(overrides.joined(separator: ", ")) ]")
        }
        let (old, new) = (try Self.file(rule(7)), try Self.file(rule(8)))
        let clock = ContinuousClock()
        let time = clock.measure { #expect(LimitsChange.changes(from: old, to: new).count == 5_000) }
        #expect(time < .seconds(5))
    }
}
