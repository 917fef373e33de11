import SluiceModel
import Testing

@testable import sluice

@Suite struct EventLineTests {
    private func parse(_ text: String) throws -> EventLine {
        try EventLine(line: Array(text.utf8))
    }

    private func text(_ event: EventLine, _ range: Range<Int>) -> String {
        String(decoding: event.bytes[range], as: UTF8.self)
    }

    @Test("A line with every key is read")
    func everyKey() throws {
        let event = try parse(
            """
             {"at":1700000000000, "action" : "coupon.redeem","entities":{"user":"u\\u00fc\\n\\ud83d\\ude00","device":""},
            "cost":2147483647,"amount":9007199254740991,"mode":"record","event_id":"e-1","label":"bots"}\r
            """)
        #expect(event.atMs == 1_700_000_000_000)
        #expect(text(event, event.action) == "coupon.redeem")
        #expect(event.entities.map { text(event, $0.dimension) } == ["user", "device"])
        #expect(event.entities.map { text(event, $0.value) } == ["uü\n😀", ""])
        #expect(event.cost == 2_147_483_647)
        #expect(event.amount == 9_007_199_254_740_991)
        #expect(event.mode == .record)
        #expect(text(event, event.eventID) == "e-1")
        #expect(event.label == "bots")
    }

    @Test("A line with a time and an action alone is a check of nobody")
    func shortest() throws {
        let event = try parse(#"{"at":0,"action":"login"}"#)
        #expect(event.entities.isEmpty)
        #expect(event.mode == .check)
        let request = event.wire
        #expect(request.cost == 0)
        #expect(request.eventID.isEmpty)
    }

    @Test("The request says what the line says")
    func request() throws {
        let request = try parse(
            #"{"at":5,"action":"pay","entities":{"card":"c1"},"cost":3,"amount":70,"mode":"peek","event_id":"x"}"#
        ).wire
        #expect(request.atMs == 5)
        #expect(request.action == "pay")
        #expect(request.entities.map(\.dimension) == ["card"])
        #expect(request.entities.map { Array($0.value) } == [Array("c1".utf8)])
        #expect(request.cost == 3)
        #expect(request.amount == 70)
        #expect(request.mode == .peek)
        #expect(Array(request.eventID) == Array("x".utf8))
    }

    @Test(
        "A bad line is refused in words that say what is wrong",
        arguments: [
            ("", "expected an object in braces"),
            ("nonsense", "expected an object in braces"),
            ("[]", "expected an object in braces"),
            (#"{"at":1,"action":"a"} x"#, "unexpected text behind the object"),
            (#"{"at":1,"action":"a""#, "expected ',' or '}'"),
            (#"{"at":1,}"#, "a key in quotes"),
            (#"{"action":"a"}"#, #""at" is missing"#),
            (#"{"at":1}"#, #""action" is missing"#),
            (#"{"at":1,"at":2,"action":"a"}"#, #""at" is given twice"#),
            (#"{"at":1.0,"action":"a"}"#, "a whole number from 0"),
            (#"{"at":1e3,"action":"a"}"#, "a whole number from 0"),
            (#"{"at":-1,"action":"a"}"#, "a whole number from 0"),
            (#"{"at":01,"action":"a"}"#, "a whole number from 0"),
            (#"{"at":"1","action":"a"}"#, "a whole number from 0"),
            (#"{"at":9007199254740992,"action":"a"}"#, "from 0 to 9007199254740991"),
            (#"{"at":99999999999999999999999,"action":"a"}"#, "from 0 to 9007199254740991"),
            (#"{"at":1,"action":""}"#, #""action" must be 1 to 64 bytes"#),
            (#"{"at":1,"action":7}"#, #""action" in quotes"#),
            (#"{"at":1,"action":"a","cost":2147483648}"#, "from 0 to 2147483647"),
            (#"{"at":1,"action":"a","mode":"undo"}"#, "check, peek or record"),
            (#"{"at":1,"action":"a","colour":"red"}"#, #"unknown key "colour""#),
            (#"{"at":1,"action":"a","entities":{"User":"x"}}"#, "a dimension must be"),
            (#"{"at":1,"action":"a","entities":{"user":1}}"#, #"the value of "user" in quotes"#),
            (#"{"at":1,"action":"a","entities":{"user":"x","user":"y"}}"#, #"dimension "user" is given twice"#),
            (#"{"at":1,"action":"a","entities":[]}"#, #""entities", an object"#),
            (#"{"at":1,"action":"\ud800"}"#, "half a surrogate pair"),
            (#"{"at":1,"action":"\ud800\u0041"}"#, "half a surrogate pair"),
            (#"{"at":1,"action":"\u00g0"}"#, "four hexadecimal digits"),
            (#"{"at":1,"action":"\x"}"#, "unknown escape"),
            (#"{"at":1,"action":"a"#, "without its closing quote"),
            ("{\"at\":1,\"action\":\"a\u{1}\"}", "unescaped control character"),
        ])
    func badLine(text: String, words: String) {
        let problem = #expect(throws: JSONScanner.Problem.self) { try parse(text) }
        #expect(problem?.message.contains(words) == true, "\(problem?.message ?? "")")
    }

    @Test("Lengths and numbers of entities are bounded as in a request")
    func bounds() throws {
        func line(entities: Int, value: Int, action: Int, eventID: Int) -> String {
            let values = (0..<entities).map { #""d\#($0)":"\#(String(repeating: "v", count: value))""# }
            let (action, id) = (String(repeating: "a", count: action), String(repeating: "e", count: eventID))
            return #"{"at":1,"action":"\#(action)","entities":{\#(values.joined(separator: ","))},"event_id":"\#(id)"}"#
        }
        _ = try parse(line(entities: 16, value: 256, action: 64, eventID: 64))
        for bad in [
            line(entities: 17, value: 1, action: 1, eventID: 1), line(entities: 1, value: 257, action: 1, eventID: 1),
            line(entities: 1, value: 1, action: 65, eventID: 1), line(entities: 1, value: 1, action: 1, eventID: 65),
        ] {
            #expect(throws: JSONScanner.Problem.self) { try parse(bad) }
        }
    }

    @Test("A line that is not UTF-8 is refused, and its error never shows a value")
    func bytes() {
        let problem = #expect(throws: JSONScanner.Problem.self) {
            try EventLine(line: Array(#"{"at":1,"action":"secret"#.utf8) + [0xFF] + Array(#""}"#.utf8))
        }
        #expect(problem?.message == "the line is not UTF-8")
    }
}

@Suite struct LineSplitterTests {
    private func lines(_ pieces: [[UInt8]]) -> [LineSplitter.Line] {
        var splitter = LineSplitter()
        var lines: [LineSplitter.Line] = []
        for piece in pieces { splitter.append(piece) { lines.append($0) } }
        if let last = splitter.finish() { lines.append(last) }
        return lines
    }

    @Test("Lines come out the same however the bytes are cut")
    func cuts() {
        let text = Array("one\n\ntwo\r\nthree".utf8)
        let expected = ["one", "", "two\r", "three"].map { LineSplitter.Line.whole(Array($0.utf8)) }
        #expect(lines([text]) == expected)
        #expect(lines(text.map { [$0] }) == expected)
    }

    @Test("A line feed at the end ends the last line, and begins none")
    func end() {
        #expect(lines([Array("one\n".utf8)]) == [.whole(Array("one".utf8))])
        #expect(lines([[]]).isEmpty)
    }

    @Test("A line of more than a mebibyte is told, not kept, and the next one is whole")
    func tooLong() {
        let piece = [UInt8](repeating: UInt8(ascii: "x"), count: 65_536)
        let longest = Array(repeating: piece, count: 16)
        #expect(lines(longest + [[10]]) == [.whole(longest.flatMap { $0 })])
        #expect(lines(longest + [[120, 10, 97, 10]]) == [.tooLong, .whole([97])])
        #expect(lines(longest + [[120]]) == [.tooLong])
    }
}
