import Testing

@testable import SluiceModel

/// Whatever a file holds, reading it ends soon, with rules or with reasons.
@Suite struct LimitsFileHostileTests {
    /// Generous for a debug build on a busy machine; what it guards against takes minutes, or never ends.
    private static let patience = Duration.seconds(10)

    private static let small = """
        version: 1
        defaults: { slices: 60 }
        rules:
          - name: logins  # é
            check: [login, "pay*"]
            per: [user]
            when: { market: ['SG', MY] }
            limits: &l
              - { max: 5, window: 10m, verdict: review }
              - { max: 20, window: 1d }
            overrides:
              - { user: u1, limits: *l }
        """

    private func diagnostics(_ text: String) -> [LimitsDiagnostic]? {
        do {
            _ = try LimitsFile.parse([LimitsFile.Source(name: "f", text: text)])
            return nil
        } catch {
            return error.diagnostics
        }
    }

    private func expectAnAnswer(_ bytes: [UInt8], _ comment: @autoclosure () -> Comment) {
        let found = diagnostics(String(decoding: bytes, as: UTF8.self))
        guard let found else { return }
        #expect(!found.isEmpty, comment())
        #expect(found.allSatisfy { $0.line >= 1 && $0.column >= 1 && !$0.message.isEmpty }, comment())
    }

    @Test("A file cut off anywhere is read or refused with a reason")
    func truncations() {
        let bytes = Array(Self.small.utf8)
        for length in bytes.indices {
            expectAnAnswer(Array(bytes.prefix(length)), "cut at \(length)")
        }
    }

    @Test("A file with one byte changed is read or refused with a reason")
    func mutations() {
        let bytes = Array(Self.small.utf8)
        #expect(diagnostics(Self.small) == nil)
        let replacements = Array("\0\t\n\r !\"#%&'*,-.:<>?@[]`{|}~0z".utf8) + [0x7F, 0x80, 0xC3, 0xFF]
        for index in bytes.indices {
            for byte in replacements {
                var changed = bytes
                changed[index] = byte
                expectAnAnswer(changed, "byte \(index) set to \(byte)")
            }
        }
    }

    @Test("A file with many bytes changed at random is read or refused with a reason")
    func randomMutations() {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededRandom(state: seed)
        let bytes = Array(Self.small.utf8)
        for round in 0..<2_000 {
            var changed = bytes
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let index = Int.random(in: changed.indices, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: changed[index] = UInt8.random(in: .min ... .max, using: &random)
                case 1: changed.remove(at: index)
                default: changed.insert(changed.randomElement(using: &random)!, at: index)
                }
            }
            expectAnAnswer(changed, "seed \(seed), round \(round)")
        }
    }

    static let bombs: [(name: String, text: String)] = {
        let mebibyte = Caps.limitsFileBytes
        func times(_ text: String, _ count: Int) -> String { String(repeating: text, count: count) }
        let doublings = (1...60).map { "    - &a\($0) [ *a\($0 - 1), *a\($0 - 1) ]\n" }.joined()
        let keys = (1...60).map { "    - &a\($0) { ? *a\($0 - 1) : *a\($0 - 1) }\n" }.joined()
        let longText = "rules:\n  - &a \"\(times("a", 500_000))\"\n" + times("  - *a\n", 50_000)
        return [
            ("open lists", times("[", 100_000)),
            ("open mappings", times("{", 100_000)),
            ("open keys in lists", times("[{a: ", 100_000)),
            ("dashes", times("- ", 100_000)),
            ("question marks", times("? ", 100_000)),
            ("steps", (0..<1_000).map { times(" ", $0) + "a:\n" }.joined()),
            ("doubling aliases", "rules:\n    - &a0 [x]\n" + doublings),
            ("doubling aliases as keys", "rules:\n    - &a0 [x]\n" + keys),
            ("a long text repeated", longText),
            ("a long rule repeated", "rules:\n  - &a { check: [\(times("b,", 50_000))] }\n" + times("  - *a\n", 900)),
            ("an alias in itself", "rules: &a [ *a ]\n"),
            ("one letter", times("a", mebibyte)),
            ("spaces", times(" ", mebibyte)),
            ("tabs", times("\t", mebibyte)),
            ("zeros", times("\0", mebibyte)),
            ("quotes", times("\"", mebibyte)),
            ("many items", "rules: [" + times("a,", mebibyte / 2 - 8)),
            ("many rules", "rules:\n" + times("- {}\n", mebibyte / 5 - 8)),
            ("many keys", (0..<100_000).map { "k\($0): \n" }.joined()),
            ("one key many times", times("rules: \n", mebibyte / 8)),
            ("anchors", (0..<80_000).map { "- &a\($0)\n" }.joined()),
            ("tags", "rules:\n" + times("- !a\n", mebibyte / 5 - 8)),
            ("comments", times("#\n", mebibyte / 2)),
        ]
    }()

    @Test("Depth, aliases and junk cost neither stack nor time", arguments: bombs.indices)
    func bomb(index: Int) throws {
        let (name, text) = Self.bombs[index]
        try #require(text.utf8.count <= Caps.limitsFileBytes, "\(name)")
        var found: [LimitsDiagnostic]?
        let elapsed = ContinuousClock().measure { found = self.diagnostics(text) }
        #expect(elapsed < Self.patience, "\(name) took \(elapsed)")
        let diagnostics = try #require(found, "\(name) was read")
        #expect(!diagnostics.isEmpty && diagnostics.count <= LimitsReport.diagnosticsShown + 1, "\(name)")
        #expect(diagnostics.allSatisfy { $0.line >= 1 && $0.message.utf8.count < 1_000 }, "\(name)")
    }

    @Test("Aliases that stand for too much are refused where the first one too many stands")
    func aliasBudget() {
        let rule = "  - &a { name: a, check: [\(String(repeating: "b,", count: 50_000))] }\n"
        let found = diagnostics("version: 1\nrules:\n" + rule + String(repeating: "  - *a\n", count: 10))
        let message = "the aliases of this file stand for too much; write out what they repeat"
        #expect(found?.filter { $0.message == message }.map(\.line) == [5])
    }

    @Test("1 MiB with 10,000 override values is read soon")
    func largeValidFile() throws {
        let values = (0..<9_900).map { "merchant-with-a-long-name-\($0)" }.joined(separator: ", ")
        var text = "version: 1\nrules:\n"
        for index in 0..<3 {
            text += "  - { name: r\(index), check: a\(index), per: [user], limits: [ { max: 5, window: 1m } ],\n"
            text += "      overrides: [ { merchant: [\(values)], exempt: true } ] }\n"
        }
        text += String(repeating: "#", count: Caps.limitsFileBytes - text.utf8.count)
        var found: [LimitsDiagnostic]?
        let elapsed = ContinuousClock().measure { found = diagnostics(text) }
        #expect(found == nil)
        #expect(elapsed < Self.patience)
    }

    @Test("1,000 rules with 10,000 override values are read soon")
    func manyRules() {
        var text = "version: 1\nrules:\n"
        for index in 0..<1_000 {
            let values = (0..<10).map { "merchant-\(index)-\($0)" }.joined(separator: ", ")
            text += "  - { name: r\(index), check: a\(index), per: [user], limits: [ { max: 5, window: 1m } ],\n"
            text += "      overrides: [ { merchant: [\(values)], limits: [ { max: 9, window: 1m } ] } ] }\n"
        }
        text += String(repeating: "#", count: Caps.limitsFileBytes - text.utf8.count)
        var found: [LimitsDiagnostic]?
        let elapsed = ContinuousClock().measure { found = diagnostics(text) }
        #expect(found == nil)
        #expect(elapsed < Self.patience)
    }

    /// Each way to compare lists with one another that would take time by the product of their lengths.
    @Test(
        "Long lists are held against each other soon",
        arguments: [
            "{ market: [LITERALS], user: [VALUE] }", "{ market: [\"*\"], user: [VALUE] }",
            "{ market: [v1], user: [VALUE] }", "{ market: [none, v1], user: [VALUE] }",
        ])
    func longLists(override: String) {
        let when = (0..<30_000).map { "v\($0)" }.joined(separator: ",")
        let literals = (0..<6).map { "v\($0)" }.joined(separator: ",")
        var text = "version: 1\nrules:\n  - name: a\n    check: a\n    per: [user]\n    when: { market: [\(when)] }\n"
        text += "    limits: &l [ { max: 5, window: 1m } ]\n    overrides:\n"
        for index in 0..<1_400 {
            let whom = override.replacing("VALUE", with: "u\(index)").replacing("LITERALS", with: literals)
            text += "    - \(whom.dropLast(2)), limits: *l }\n"
        }
        var found: [LimitsDiagnostic]?
        let elapsed = ContinuousClock().measure { found = diagnostics(text) }
        #expect(found == nil)
        #expect(elapsed < Self.patience)
    }
}
