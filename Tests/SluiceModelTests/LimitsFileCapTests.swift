import Testing

@testable import SluiceModel

@Suite struct LimitsFileCapTests {
    private func errors(_ rules: [String]) -> [String] {
        errors(text: "version: 1\nrules:\n" + rules.map { "  - \($0)\n" }.joined())
    }

    private func errors(text: String) -> [String] {
        do {
            _ = try LimitsFile.parse([LimitsFile.Source(name: "f", text: text)])
            return []
        } catch {
            return error.diagnostics.map(\.description)
        }
    }

    /// A rule in one line; as many limits as `limits`, each over its own window.
    private func rule(_ name: Int, check: String, count: String? = nil, limits: Int = 1, more: String = "") -> String {
        let list = (1...limits).map { "{ max: 9, window: \($0)m }" }.joined(separator: ", ")
        let counted = count.map { "count: \($0), " } ?? ""
        return "{ name: r\(name), check: \(check), \(counted)per: [user]\(more), limits: [\(list)] }"
    }

    @Test("The 1001st rule is one too many")
    func ruleCount() {
        let thousand = (1...1_000).map { rule($0, check: "a\($0)") }
        #expect(errors(thousand) == [])
        let more = thousand + [rule(1_001, check: "x"), rule(1_002, check: "y")]
        #expect(errors(more) == ["f:1003:5: more than 1000 rules; this is the first one too many"])
    }

    @Test("An action meets at most 128 limits, over the rules that judge it and those that count it")
    func exactAction() {
        let sixteen = (1...16).map {
            rule($0, check: $0 % 2 == 0 ? "login" : "other\($0)", count: "[login, x]", limits: 8)
        }
        #expect(errors(sixteen) == [])
        #expect(
            errors(sixteen + [rule(17, check: "login"), rule(18, check: "x")]) == [
                "f:19:45: action \"login\" would meet 129 limits with this rule; at most 128 for one action",
                "f:20:41: action \"x\" would meet 129 limits with this rule; at most 128 for one action",
            ])
    }

    @Test("A prefix adds to every action that it begins, and to every longer prefix")
    func prefixedActions() {
        let base = (1...15).map { rule($0, check: "\"pay*\"", limits: 8) }
        #expect(errors(base + [rule(16, check: "pay.card", limits: 8), rule(17, check: "pay.bank", limits: 8)]) == [])
        #expect(errors(base + [rule(16, check: "pay.card", limits: 8), rule(17, check: "\"pay.*\"")]).count == 1)
        #expect(errors(base + [rule(16, check: "pa", limits: 8), rule(17, check: "p", limits: 8)]) == [])
        #expect(
            errors(base + [rule(16, check: "\"pay.c*\"", limits: 8), rule(17, check: "\"*\"")]) == [
                "f:19:43: action \"pay.c*\" would meet 129 limits with this rule; at most 128 for one action"
            ])
    }

    @Test("The largest list among a rule's overrides is what counts")
    func overridesCount() {
        let sixteen = (1...16).map { rule($0, check: "login", limits: 8) }.dropLast()
        let list = (1...8).map { "{ max: 9, window: \($0)m }" }.joined(separator: ", ")
        let large = ", overrides: [ { user: u1, exempt: true }, { user: u2, limits: [\(list)] } ]"
        #expect(errors(sixteen + [rule(16, check: "login", more: large)]) == [])
        #expect(errors(sixteen + [rule(16, check: "login", more: large), rule(17, check: "login")]).count == 1)
    }

    @Test("A rule has at most 10,000 override values")
    func overrideValues() {
        func overrides(_ count: Int) -> String {
            let values = (1...count).map { "m\($0)" }.joined(separator: ", ")
            return ", overrides: [ { user: [\(values)], exempt: true }, { tier: new, exempt: true } ]"
        }
        #expect(errors([rule(1, check: "a", more: overrides(9_999))]) == [])
        let over = errors([rule(1, check: "a", more: overrides(10_000))])
        #expect(over.count == 1 && over[0].contains("more than 10000 override values in one rule"))
    }

    @Test("All lists together have at most 10,000 values")
    func listedValues() {
        func lists(_ count: Int) -> [String] {
            let values = (1..<count).map { "d\($0)" }.joined(separator: ", ")
            let lists = "lists: { deny: { device: [\(values)] }, watch: { device: [d] } }"
            return errors(text: "version: 1\n\(lists)\nrules: []\n")
        }
        #expect(lists(10_000) == [])
        let over = lists(10_001)
        #expect(over.count == 1 && over[0].contains("more than 10000 values on lists"))
    }

    @Test("Names and texts are as long as the caps allow, and not a byte longer")
    func lengths() {
        func file(name: Int, action: Int, dimension: Int, value: Int) -> [String] {
            func text(_ count: Int) -> String { String(repeating: "a", count: count) }
            return errors([
                "{ name: \(text(name)), check: [\(text(action)), \(text(action))*], per: [\(text(dimension))], "
                    + "when: { m: [\(text(value)), \(text(value))*] }, limits: [ { max: 1, window: 90d } ] }"
            ])
        }
        #expect(file(name: 48, action: 64, dimension: 32, value: 256) == [])
        #expect(file(name: 49, action: 64, dimension: 32, value: 256).count == 1)
        #expect(file(name: 48, action: 65, dimension: 32, value: 256).count == 2)
        #expect(file(name: 48, action: 64, dimension: 33, value: 256).count == 1)
        #expect(file(name: 48, action: 64, dimension: 32, value: 257).count == 2)
    }

    @Test("Of more than 200 mistakes the first 200 are told, then how many are left")
    func manyErrors() {
        let all = errors(Array(repeating: "5", count: 250))
        #expect(all.count == 201)
        #expect(all[199].hasPrefix("f:202:5: a rule must be"))
        #expect(all[200] == "f:203:5: and 50 more")
        #expect(errors(Array(repeating: "5", count: 200)).count == 200)
    }

    @Test("What an alias repeats is said once")
    func repeatedByAlias() {
        let text = """
            version: 1
            rules:
              - { name: a, check: x, per: [], limits: &l [ { max: 1, window: 5 } ] }
              - { name: b, check: x, per: [], limits: *l }
            """
        #expect(errors(text: text).count == 1)
    }
}
