import SluiceWire
import Testing

@testable import sluice

@Suite struct TopTests {
    private static func entry(
        _ dimension: String,
        _ value: [UInt8],
        _ count: UInt64,
        error: UInt64 = 0
    ) -> WireTopEntry {
        var entry = WireTopEntry()
        entry.entity = WireEntity(dimension: dimension, value: value)
        (entry.count, entry.error) = (count, error)
        return entry
    }

    private static func response() -> WireTopResponse {
        var response = WireTopResponse()
        (response.windowMs, response.generation) = (90_000, 7)
        response.entries = [
            entry("ip", Array("203.0.113.9".utf8), 12_345, error: 17),
            entry("ip", [0x1B, 0x5C, 0xFF], 9),
            entry("user", Array("\u{1B}]0;u17".utf8), 3),
        ]
        return response
    }

    @Test("Entities stand in a table for each dimension, with their values escaped whatever bytes they are")
    func words() {
        #expect(
            TopReport(Self.response(), by: .refused).lines(for: Terminal(hasColour: false)) == [
                "most denials in the last 1m 30s, generation 7",
                "",
                "ip",
                "   COUNT  PER SECOND  ERROR  VALUE",
                "  12,345       137.2     17  203.0.113.9",
                #"       9         0.1      0  \x{1b}\\\x{ff}"#,
                "",
                "user",
                "  COUNT  PER SECOND  ERROR  VALUE",
                #"      3         0.0      0  \u{1b}]0;u17"#,
            ])
        var empty = WireTopResponse()
        empty.windowMs = 60_000
        #expect(
            TopReport(empty, by: .refused).lines(for: Terminal(hasColour: false))
                == ["nothing was denied in the last 1m, generation 0"])
    }

    @Test("The JSON of an entity that is not text has its bytes as well")
    func json() throws {
        let json = try JSONValue(TopReport(Self.response(), by: .busy).json.line)
        #expect(json.keys == ["by", "entries", "generation", "window_ms"])
        #expect(json["by"] == "busy")
        #expect(json["entries"]?[0]?.keys == ["count", "dimension", "error", "value"])
        #expect(json["entries"]?[0]?["value"] == "203.0.113.9")
        #expect(json["entries"]?[1]?["value_hex"] == "1b5cff")
    }

    @Test("The question is what the options say")
    func question() throws {
        let service = try FakeService { _, payload in
            let request = (try? WireTopRequest(payload: payload)) ?? .init()
            var response = WireTopResponse()
            response.entries = [Self.entry(request.dimension, Array("\(request.by)".utf8), UInt64(request.count))]
            return .init(response)
        }
        let outcome = try service.sluice("top", "--by", "refused", "--dimension", "ip", "--count", "3", "--json")
        let entry = try outcome.json()["entries"]?[0]
        #expect(entry?["dimension"] == "ip")
        #expect(entry?["value"] == "refused")
        #expect(entry?["count"] == 3)
        #expect(try service.sluice("top", "--json").json()["entries"]?[0]?["count"] == 10)
    }
}
