import SluiceEngine
import SluiceWire
import Testing

@Suite("Redis URLs")
struct RedisTargetTests {
    struct Good: Sendable, CustomTestStringConvertible {
        var url: String
        var topology: RedisTarget.Topology
        var user = ""
        var password = ""
        var database = 0
        var isSecure = false
        var shown: String
        var testDescription: String { url }

        init(
            _ url: String, _ topology: RedisTarget.Topology, user: String = "", password: String = "",
            database: Int = 0, isSecure: Bool = false, shown: String
        ) {
            self.url = url
            self.topology = topology
            self.user = user
            self.password = password
            self.database = database
            self.isSecure = isSecure
            self.shown = shown
        }

        init(
            _ url: String, _ endpoint: Endpoint, user: String = "", password: String = "", database: Int = 0,
            isSecure: Bool = false, shown: String
        ) {
            self.init(
                url, .single(endpoint), user: user, password: password, database: database, isSecure: isSecure,
                shown: shown)
        }
    }

    private static func tcp(_ host: String, _ port: Int = 6_379) -> Endpoint { .tcp(host: host, port: port) }

    static let good = [
        Good("redis://h", tcp("h"), shown: "redis://h:6379"),
        Good("redis://h/", tcp("h"), shown: "redis://h:6379"),
        Good("redis://h:1/2", tcp("h", 1), database: 2, shown: "redis://h:1/2"),
        Good("redis://[::1]", tcp("::1"), shown: "redis://[::1]:6379"),
        Good("redis://[::1]:7/65535", tcp("::1", 7), database: 65_535, shown: "redis://[::1]:7/65535"),
        Good("redis://:secret@h", tcp("h"), password: "secret", shown: "redis://h:6379"),
        Good("redis://me:secret@h", tcp("h"), user: "me", password: "secret", shown: "redis://me@h:6379"),
        Good("redis://me:se:cr@et@h:1", tcp("h", 1), user: "me", password: "se:cr@et", shown: "redis://me@h:1"),
        Good("redis://:s%2Fe%40%3A%25@h", tcp("h"), password: "s/e@:%", shown: "redis://h:6379"),
        Good(
            "rediss://me:secret@h:1/2", tcp("h", 1), user: "me", password: "secret", database: 2, isSecure: true,
            shown: "rediss://me@h:1/2"),
        Good("unix:///tmp/r.sock", .unix(path: "/tmp/r.sock"), shown: "unix:///tmp/r.sock"),
        Good("unix:///tmp/r.sock?db=3", .unix(path: "/tmp/r.sock"), database: 3, shown: "unix:///tmp/r.sock?db=3"),
        Good(
            "unix://me:secret@/tmp/r?db=0", .unix(path: "/tmp/r"), user: "me", password: "secret",
            shown: "unix://me@/tmp/r"),
        Good(
            "sentinel://a/main", .sentinel(.init(name: "main", endpoints: [tcp("a", 26_379)])),
            shown: "sentinel://a:26379/main"),
        Good(
            "sentinel://me:secret@a,b:1,[::1]/my%2Fown?db=2&tls=true&sentinel_user=s&sentinel_password=p%26q",
            .sentinel(
                .init(
                    name: "my/own", endpoints: [tcp("a", 26_379), tcp("b", 1), tcp("::1", 26_379)], user: "s",
                    password: "p&q")),
            user: "me", password: "secret", database: 2, isSecure: true,
            shown: "sentinel://me@a:26379,b:1,[::1]:26379/my/own?db=2&tls=true"),
        Good("cluster://a", .cluster([tcp("a")]), shown: "cluster://a:6379"),
        Good(
            "cluster://me:secret@a,b:1?tls=true", .cluster([tcp("a"), tcp("b", 1)]), user: "me", password: "secret",
            isSecure: true, shown: "cluster://me@a:6379,b:1?tls=true"),
        Good("cluster://a,b/?tls=false", .cluster([tcp("a"), tcp("b")]), shown: "cluster://a:6379,b:6379"),
    ]

    @Test("Are read, and shown without their passwords", arguments: good)
    func read(_ good: Good) throws {
        let target = try RedisTarget(url: good.url)
        #expect(target.topology == good.topology)
        #expect(target.user == good.user)
        #expect(target.password == good.password)
        #expect(target.database == good.database)
        #expect(target.isSecure == good.isSecure)
        #expect("\(target)" == good.shown)
        var secrets = [good.password]
        if case .sentinel(let set) = good.topology { secrets.append(set.password) }
        for secret in secrets where !secret.isEmpty {
            for shown in ["\(target)", String(reflecting: target), "\(target.topology)"] {
                #expect(!shown.contains(secret))
            }
        }
    }

    @Test("A node is reached as the cluster is")
    func node() throws {
        let target = try RedisTarget(url: "cluster://me:secret@a,b?tls=true").node(Self.tcp("c", 7))
        #expect("\(target)" == "rediss://me@c:7")
        #expect(target.password == "secret")
    }

    static let bad: [(url: String, error: RedisURLError)] = [
        ("", .noScheme), ("h:6379", .noScheme), ("http://h", .unknownScheme), ("redis://", .noHost),
        ("redis://:secret@", .noHost), ("redis://h:x", .badEndpoint(.badPort)),
        ("redis://h:65536", .badEndpoint(.badPort)), ("redis://::1", .badEndpoint(.bareIPv6)),
        ("redis://h/x", .badDatabase), ("redis://h/-1", .badDatabase), ("redis://h/65536", .badDatabase),
        ("redis://h/+1", .badDatabase), ("redis://h/1/2", .badDatabase), ("rediss://", .noHost),
        ("redis://%zz:secret@h", .badCredentials), ("redis://me:%FF%@h", .badCredentials),
        ("unix://", .badEndpoint(.emptyPath)), ("unix:///r?db", .badQuery), ("unix:///r?x=1", .badQuery),
        ("unix:///r?db=x", .badDatabase), ("unix:///r?db=", .badQuery), ("sentinel://h", .noName),
        ("sentinel://h/", .noName), ("sentinel://u:sec/ret@h", .noName), ("sentinel:///main", .noHost),
        ("sentinel://a,,b/main", .noHost), ("sentinel://a:0x/main", .badEndpoint(.badPort)),
        ("sentinel://a/main?tls=yes", .badQuery), ("sentinel://a/main?db=1&x=secret", .badQuery),
        ("sentinel://a/main?sentinel_password=%secret", .badCredentials), ("cluster://", .noHost),
        ("cluster://a?db=1", .badQuery), ("cluster://a/1", .badEndpoint(.badHost)),
        ("cluster://" + Array(repeating: "a", count: 17).joined(separator: ","), .tooManyHosts),
    ]

    @Test("Are refused with what is wrong, without the password", arguments: bad)
    func refuse(_ url: String, _ error: RedisURLError) {
        #expect(throws: error) { try RedisTarget(url: url) }
        #expect(!"\(error)".contains("secret"))
    }
}
