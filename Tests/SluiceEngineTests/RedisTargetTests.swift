import SluiceEngine
import SluiceWire
import Testing

@Suite("Redis URLs")
struct RedisTargetTests {
    struct Good: Sendable, CustomTestStringConvertible {
        var url: String
        var endpoint: Endpoint
        var user = ""
        var password = ""
        var database = 0
        var shown: String
        var testDescription: String { url }
    }

    static let good = [
        Good(url: "redis://h", endpoint: .tcp(host: "h", port: 6379), shown: "redis://h:6379"),
        Good(url: "redis://h/", endpoint: .tcp(host: "h", port: 6379), shown: "redis://h:6379"),
        Good(url: "redis://h:1/2", endpoint: .tcp(host: "h", port: 1), database: 2, shown: "redis://h:1/2"),
        Good(url: "redis://[::1]", endpoint: .tcp(host: "::1", port: 6379), shown: "redis://[::1]:6379"),
        Good(
            url: "redis://[::1]:7/65535", endpoint: .tcp(host: "::1", port: 7), database: 65_535,
            shown: "redis://[::1]:7/65535"),
        Good(
            url: "redis://:secret@h", endpoint: .tcp(host: "h", port: 6379), password: "secret", shown: "redis://h:6379"
        ),
        Good(
            url: "redis://me:secret@h", endpoint: .tcp(host: "h", port: 6379), user: "me", password: "secret",
            shown: "redis://me@h:6379"),
        Good(
            url: "redis://me:se:cr@et@h:1", endpoint: .tcp(host: "h", port: 1), user: "me", password: "se:cr@et",
            shown: "redis://me@h:1"),
        Good(
            url: "redis://:s%2Fe%40%3A%25@h", endpoint: .tcp(host: "h", port: 6379), password: "s/e@:%",
            shown: "redis://h:6379"),
        Good(url: "unix:///tmp/r.sock", endpoint: .unix(path: "/tmp/r.sock"), shown: "unix:///tmp/r.sock"),
        Good(
            url: "unix:///tmp/r.sock?db=3", endpoint: .unix(path: "/tmp/r.sock"), database: 3,
            shown: "unix:///tmp/r.sock?db=3"),
        Good(
            url: "unix://me:secret@/tmp/r?db=0", endpoint: .unix(path: "/tmp/r"), user: "me", password: "secret",
            shown: "unix://me@/tmp/r"),
    ]

    @Test("Are read, and shown without their password", arguments: good)
    func read(_ good: Good) throws {
        let target = try RedisTarget(url: good.url)
        #expect(target.endpoint == good.endpoint)
        #expect(target.user == good.user)
        #expect(target.password == good.password)
        #expect(target.database == good.database)
        #expect("\(target)" == good.shown)
        if !good.password.isEmpty {
            #expect(!"\(target)".contains(good.password))
            #expect(!String(reflecting: target).contains(good.password))
        }
    }

    static let bad: [(url: String, error: RedisURLError)] = [
        ("", .noScheme), ("h:6379", .noScheme), ("http://h", .unknownScheme), ("rediss://h", .notYet("rediss")),
        ("sentinel://h", .notYet("sentinel")), ("redis://", .noHost), ("redis://:secret@", .noHost),
        ("redis://h:x", .badEndpoint(.badPort)), ("redis://h:65536", .badEndpoint(.badPort)),
        ("redis://::1", .badEndpoint(.bareIPv6)), ("redis://h/x", .badDatabase), ("redis://h/-1", .badDatabase),
        ("redis://h/65536", .badDatabase), ("redis://h/+1", .badDatabase), ("redis://h/1/2", .badDatabase),
        ("redis://%zz:secret@h", .badCredentials), ("redis://me:%FF%@h", .badCredentials),
        ("unix://", .badEndpoint(.emptyPath)),
        ("unix:///r?db", .badQuery), ("unix:///r?x=1", .badQuery), ("unix:///r?db=x", .badDatabase),
        ("unix:///r?db=", .badQuery),
    ]

    @Test("Are refused with what is wrong, without the password", arguments: bad)
    func refuse(_ url: String, _ error: RedisURLError) {
        #expect(throws: error) { try RedisTarget(url: url) }
        #expect(!"\(error)".contains("secret"))
    }
}
