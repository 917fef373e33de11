import SluiceWire
import Testing

struct EndpointTests {
    @Test(arguments: [
        ("127.0.0.1:7400", Endpoint.tcp(host: "127.0.0.1", port: 7400)),
        ("[::1]:0", .tcp(host: "::1", port: 0)),
        ("redis-1.internal:65535", .tcp(host: "redis-1.internal", port: 65535)),
        ("unix:/run/sluice.sock", .unix(path: "/run/sluice.sock")),
        ("unix:relative:7400", .unix(path: "relative:7400")),
    ])
    func `An endpoint is read and printed in the same form`(text: String, endpoint: Endpoint) throws {
        #expect(try Endpoint(text) == endpoint)
        #expect(endpoint.description == text)
    }

    @Test(arguments: [
        ("", EndpointError.noPort), ("localhost", .noPort), ("localhost:", .badPort), ("localhost:65536", .badPort),
        ("localhost:-1", .badPort), ("localhost:+1", .badPort), ("localhost:٣", .badPort), (":7400", .badHost),
        ("a b:7400", .badHost), ("::1:7400", .bareIPv6), ("[::1:7400", .badHost), ("[]:7400", .badHost),
        ("[name]:7400", .badHost), ("[::1]7400:1", .badHost), ("unix:", .emptyPath), ("unix:a\0b", .zeroInPath),
    ])
    func `A text that is no endpoint says what is wrong`(text: String, error: EndpointError) {
        #expect(throws: error) { try Endpoint(text) }
        #expect(!error.description.isEmpty)
    }

    @Test
    func `A Unix path is at most 107 bytes, not characters`() throws {
        let longest = String(repeating: "p", count: 107)
        #expect(try Endpoint("unix:" + longest) == .unix(path: longest))
        #expect(throws: EndpointError.pathTooLong(bytes: 108)) { try Endpoint("unix:" + longest + "p") }
        let wide = String(repeating: "é", count: 54)
        #expect(throws: EndpointError.pathTooLong(bytes: 108)) { try Endpoint("unix:" + wide) }
    }
}
