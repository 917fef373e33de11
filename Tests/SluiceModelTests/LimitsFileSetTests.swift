import Testing

@testable import SluiceModel

@Suite struct LimitsFileSetTests {
    private static func rule(_ name: String) -> String {
        "  - { name: \(name), check: login, per: [user], limits: [ { max: 100, window: 1m } ] }\n"
    }

    private func parse(_ texts: [String]) throws(LimitsFileError) -> LimitsFile {
        let sources = texts.enumerated().map { LimitsFile.Source(name: "\($0.offset).yaml", text: $0.element) }
        return try LimitsFile.parse(sources).file
    }

    private func errors(_ texts: [String]) -> [String] {
        do {
            _ = try parse(texts)
            return []
        } catch {
            return error.diagnostics.map(\.description)
        }
    }

    @Test("Several files are one rule set, in their order, under defaults that any of them may give")
    func oneRuleSet() throws {
        let file = try parse([
            "version: 1\nrules:\n" + Self.rule("b"),
            "version: 1\ndefaults: { slices: 7 }\n",
            "version: 1\ndefaults: { slices: 7, exact_up_to: 8 }\nrules:\n" + Self.rule("a"),
        ])
        #expect(file.rules.map(\.name) == ["b", "a"])
        #expect(file.rules.map(\.slices) == [7, 7])
        #expect(file.rules.map(\.exactUpTo) == [8, 8])
    }

    @Test("Two files may not disagree about a default")
    func defaultsDisagree() {
        let files = [
            "version: 1\ndefaults: { slices: 7 }\nrules: []\n", "version: 1\ndefaults: { slices: 8 }\nrules: []\n",
        ]
        #expect(
            errors(files) == [
                "1.yaml:2:13: \"slices\" has another default in 0.yaml:2; defaults hold for all files together"
            ])
    }

    @Test("Lists and normalisers of one file hold for the rules and lists of all")
    func sharedLists() throws {
        let file = try parse([
            "version: 1\nlists: { deny: { email: [A@b] } }\nrules:\n"
                + "  - { name: a, check: x, per: [user], when: { email: [C@d] }, limits: [ { max: 1, window: 1m } ] }\n",
            "version: 1\nlists: { deny: { email: [E@f] }, watch: { device: [d-1] } }\n",
            "version: 1\ndimensions: { email: lower }\n",
        ])
        #expect(file.rules[0].when[0].patterns == [Pattern("c@d")])
        #expect(file.lists.map(\.kind) == [.deny, .deny, .watch])
        #expect(file.lists.map(\.patterns) == [[Pattern("a@b")], [Pattern("e@f")], [Pattern("d-1")]])
    }

    @Test("What two files put on the same list is told, and kept once")
    func listedTwice() throws {
        let first = "version: 1\nlists: { deny: { device: [d-1] } }\nrules:\n" + Self.rule("a")
        let second = "version: 1\nlists: { deny: { device: [d-2, d-1] }, watch: { device: [d-2] } }\n"
        let sources = [first, second].enumerated().map { LimitsFile.Source(name: "\($0.offset)", text: $0.element) }
        let (file, warnings) = try LimitsFile.parse(sources)
        #expect(
            warnings.map(\.description) == [
                "1:2:32: warning: a value of \"device\" is on the list \"deny\" already, in 0:2",
                "1:2:58: warning: a value of \"device\" is on the list \"deny\" as well; deny wins",
            ])
        #expect(file.lists.map(\.patterns) == [[Pattern("d-1")], [Pattern("d-2")], [Pattern("d-2")]])
    }

    @Test("Two files may not both declare a dimension")
    func declaredTwice() {
        let files = [
            "version: 1\ndimensions: { user: lower }\nrules:\n" + Self.rule("a"),
            "version: 1\ndimensions: { user: lower }\n",
        ]
        #expect(
            errors(files)
                == [
                    "1.yaml:2:15: dimension \"user\" is already declared in 0.yaml:2; one declaration holds for all files "
                        + "together"
                ])
    }

    @Test("A rule name is unique over all files")
    func duplicateNames() {
        let file = "version: 1\nrules:\n" + Self.rule("a")
        #expect(errors([file, file]) == ["1.yaml:3:13: duplicate rule name \"a\", first used in 0.yaml:3"])
    }

    @Test("The mistakes of all files are told together, file by file")
    func allFiles() {
        let files = [
            "version: 1\nrules: [\n", "version: 1\nrules:\n" + Self.rule("A"), "version: 1\nrules:\n" + Self.rule("B"),
        ]
        #expect(errors(files).map { $0.prefix(10) } == ["0.yaml:3:1", "1.yaml:3:1", "2.yaml:3:1"])
    }

    @Test("A file without rules is incomplete unless it holds the defaults of others that have them")
    func filesWithoutRules() {
        #expect(errors(["version: 1\n", "version: 1\nrules: []\n"]).map { $0.prefix(11) } == ["0.yaml:1:1:"])
        #expect(errors(["version: 1\ndefaults: {}\n"]).map { $0.prefix(11) } == ["0.yaml:1:1:"])
        #expect(errors(["version: 1\ndefaults: {}\n", "version: 1\nrules: []\n"]) == [])
        #expect(errors(["", "version: 1\nrules: []\n"]).map { $0.prefix(11) } == ["0.yaml:1:1:"])
    }

    @Test("A set of no files and a set over 1 MiB are refused")
    func setSize() {
        #expect(errors([]) == ["-:1:1: there is no limits file to read"])
        let half = "version: 1\nrules: []\n" + String(repeating: "#", count: (1 << 19) - 20)
        #expect(errors([half, half]) == ["0.yaml:1:1: \(LimitsFile.tooLarge)"])
        #expect(errors([String(half.dropLast())]) == [])
    }

    @Test("Bytes that are not UTF-8 are refused at the first of them")
    func notUTF8() throws {
        let bytes = Array("version: 1\n# é".utf8) + [0xFF, 0x41]
        let error = #expect(throws: LimitsFileError.self) { try LimitsFile.Source(name: "f", bytes: bytes) }
        #expect(error?.description == "f:2:4: this byte is not UTF-8; save the file as UTF-8")
        #expect(try LimitsFile.Source(name: "f", bytes: Array("é".utf8)).text == "é")
    }
}
