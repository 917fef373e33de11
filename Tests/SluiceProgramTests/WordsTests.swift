import Testing

@testable import sluice

@Suite struct WordsTests {
    @Test(
        "Durations are said in their two largest units, rounded up",
        arguments: [
            (0, "0ms"), (1, "1ms"), (999, "999ms"), (1_000, "1s"), (1_001, "2s"), (59_999, "1m"), (60_000, "1m"),
            (250_000, "4m 10s"), (249_001, "4m 10s"), (3_599_001, "1h"), (3_600_000, "1h"), (3_600_001, "1h 1m"),
            (86_399_999, "1d"), (90_000_000, "1d 1h"), (7_776_000_000, "90d"), (.max, "213503982334d 14h"),
        ] as [(UInt64, String)])
    func duration(ms: UInt64, words: String) {
        #expect(DurationWords.spell(ms: ms) == words)
    }

    @Test("Large numbers are grouped by thousands")
    func grouping() {
        #expect(
            [0, 999, 1_000, 1_234_567, -1_234].map { NumberWords.grouped($0) } == [
                "0", "999", "1,000", "1,234,567", "-1,234",
            ])
    }

    @Test("A share of nothing is a dash, and a small share is never shown as none")
    func shares() {
        #expect(NumberWords.share(0, of: 0) == "-")
        #expect(NumberWords.share(0, of: 9) == "0.0%")
        #expect(NumberWords.share(1, of: 1_000_000) == "<0.1%")
        #expect(NumberWords.share(1, of: 8) == "12.5%")
        #expect(NumberWords.share(8, of: 8) == "100.0%")
    }

    @Test("Numbers are rounded to the digits asked for")
    func fixed() {
        #expect(NumberWords.fixed(1.005, digits: 1) == "1.0")
        #expect(NumberWords.fixed(2.999, digits: 2) == "3.00")
        #expect(NumberWords.fixed(0.04, digits: 2) == "0.04")
        #expect(NumberWords.fixed(-0.04, digits: 1) == "0.0")
        #expect(NumberWords.fixed(12.5, digits: 0) == "13")
    }

    @Test("What could move a terminal's cursor or reorder a line is escaped")
    func printable() {
        #expect("a\u{1B}[31m\n\u{9B}b\u{202E}\\é".printable == #"a\u{1b}[31m\u{a}\u{9b}b\u{202e}\\é"#)
    }
}

@Suite struct TableTests {
    private let plain = Terminal(hasColour: false)

    @Test("Columns are as wide as their widest cell, numbers to the right, nothing cut off and no space at the end")
    func columns() {
        var table = Table("NAME", " USED", "NOTE")
        table.add("a", "5", "")
        table.add("a-rule-with-a-long-name", "1,234,567", "shadow")
        #expect(
            table.lines(for: plain) == [
                "NAME                          USED  NOTE",
                "a                                5",
                "a-rule-with-a-long-name  1,234,567  shadow",
            ])
    }

    @Test("A column that is empty in every row is left out")
    func emptyColumn() {
        var table = Table("NAME", "NOTE", " N")
        table.add("a", "", "1")
        #expect(table.lines(for: plain) == ["NAME  N", "a     1"])
    }

    @Test("Colour does not change the alignment")
    func colour() {
        var table = Table("VERDICT", " N")
        table.add(.init(.deny), "1")
        #expect(
            table.lines(for: Terminal(hasColour: true)) == [
                "\u{1B}[2mVERDICT\u{1B}[0m  \u{1B}[2mN\u{1B}[0m", "\u{1B}[31mdeny\u{1B}[0m     1",
            ])
    }
}

@Suite struct JSONTests {
    @Test("Objects keep their order, and numbers are exact")
    func order() {
        let json: JSON = [
            "n": .integer(9_007_199_254_740_991), "a": .null, "list": .list([.bool(true), .number(0.5), .number(3)]),
            "nan": .number(.nan),
        ]
        #expect(json.line == #"{"n": 9007199254740991, "a": null, "list": [true, 0.5, 3], "nan": null}"#)
    }

    @Test("Quotes, backslashes and control characters are escaped")
    func escapes() {
        #expect(JSON.text("a\"\\\n\u{1}\u{7F}é😀").line == #""a\"\\\n\u0001\u007fé😀""#)
    }
}
