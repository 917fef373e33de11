import SluiceClient
import SluiceModel
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

/// SetListing and Listings of real services.
@Suite("Lists of a running service", .timeLimit(.minutes(2)))
struct ListServiceTests {
    private static let limits = """
        version: 1
        rules:
          - { name: logins, check: login, per: [user], limits: [ { max: 5, window: 1h } ] }

        """

    private static func set(
        _ entities: [WireEntity], _ action: WireListing.Kind, forMs: UInt64 = 0, reason: String = "", by: String = ""
    ) -> WireSetListingRequest {
        WireSetListingRequest.with {
            $0.entities = entities
            $0.action = action
            $0.forMs = forMs
            $0.reason = reason
            $0.by = by
        }
    }

    private static func listings(_ service: ServiceProcess, of entities: [WireEntity] = []) async throws
        -> [WireListing]
    {
        try await service.withClient("admin") { client in
            try await client.listings(.with { $0.entities = entities }).listings
        }
    }

    @Test("A change through one instance is in force there at once, and in another within a second")
    func twoInstances() async throws {
        let redis = try RedisServer()
        let url = "unix://\(redis.socket)"
        let one = try await ServiceProcess.start(limits: Self.limits, redis: url, ["--threads", "2"])
        let other = try await ServiceProcess.start(limits: Self.limits, redis: url, ["--threads", "2"])
        let user = WireEntity("user", "u17")
        for kind in [WireListing.Kind.deny, .allow, .watch, .remove] {
            let response = try await one.withClient("admin") { client in
                try await client.setListing(Self.set([user], kind, reason: "case 8812", by: "ann"))
            }
            let start = ContinuousClock.now
            #expect(response.changed && response.untilMs == 0)
            let expected = kind == .remove ? [] : [kind]
            #expect(try await Self.listings(one).map(\.kind) == expected)
            var seen = try await Self.listings(other).map(\.kind)
            while seen != expected, .now - start < .seconds(5) {
                try await Task.sleep(for: .milliseconds(10))
                seen = try await Self.listings(other).map(\.kind)
            }
            #expect(seen == expected)
            #expect(.now - start < .seconds(1))
        }
        let again = try await one.withClient("admin") { try await $0.setListing(Self.set([user], .remove)) }
        #expect(!again.changed)
        // Which entity, by whom and why; never whose.
        #expect(one.log.contains("case 8812") && one.log.contains("ann") && !one.log.contains("u17"))
    }

    private static let listingLimits = """
        version: 1
        dimensions: { ip: ip, email: lower }
        rules:
          - { name: logins, check: login, per: [user], limits: [ { max: 2, window: 1h } ] }
        lists:
          deny: { ip: [203.0.113.0/24], device: ["bot-*"] }
          allow: { user: [probe] }

        """

    private static func peek(_ client: SluiceClient, _ entities: [String: String]) async throws -> WireCheckResponse {
        let entities = entities.sorted { $0.key < $1.key }.map { WireEntity($0, $1) }
        return try await client.check(WireCheckRequest(action: "login", entities: entities, mode: .peek))
    }

    @Test("What operators list decides in every instance within a second, beside what the limits file lists")
    func decides() async throws {
        let redis = try RedisServer()
        let url = "unix://\(redis.socket)"
        let one = try await ServiceProcess.start(limits: Self.listingLimits, redis: url, ["--threads", "2"])
        let other = try await ServiceProcess.start(limits: Self.listingLimits, redis: url, ["--threads", "2"])
        try await other.withClient { client in
            #expect(try await Self.peek(client, ["user": "a", "ip": "198.51.100.9"]).verdict == .allow)
            let denied = try await Self.peek(client, ["user": "a", "ip": "::ffff:203.0.113.9"])
            #expect(denied.verdict == .deny && !denied.hasRetryAfterMs)
            #expect(denied.trips.first?.reason == .listed && denied.trips.first?.limit == "deny ip")
            #expect(try await Self.peek(client, ["user": "a", "device": "bot-7"]).verdict == .deny)
            for _ in 0..<4 { #expect(try await Self.peek(client, ["user": "probe"]).verdict == .allow) }
        }
        let lists: [(WireEntity, WireListing.Kind, [String: String], WireVerdict)] = [
            (WireEntity("ip", "198.51.100.0/25"), .deny, ["user": "b", "ip": "198.51.100.9"], .deny),
            (WireEntity("email", "Ann@Example.com"), .watch, ["user": "c", "email": "ann@EXAMPLE.com"], .review),
            (WireEntity("device", "bot-7"), .allow, ["user": "d", "device": "bot-7"], .deny),
        ]
        for (entity, kind, probe, verdict) in lists {
            _ = try await one.withClient("admin") { try await $0.setListing(Self.set([entity], kind, forMs: 60_000)) }
            let start = ContinuousClock.now
            let first = try await one.withClient { try await Self.peek($0, probe).verdict }
            #expect(first == verdict)
            let seen = try await other.withClient { client in
                while try await Self.peek(client, probe).verdict != verdict, .now - start < .seconds(5) {
                    try await Task.sleep(for: .milliseconds(10))
                }
                return ContinuousClock.now - start
            }
            #expect(seen < .seconds(1))
        }
        let listed = try await one.withClient("admin") { client in
            try await client.listings(.with { $0.entities = [WireEntity("ip", "203.0.113.9")] }).listings
        }
        #expect(listed.map(\.entity) == [WireEntity("ip", "203.0.113.0/24")])
        #expect(listed.first?.fromFile == true)
        let stats = try await other.stats()
        #expect((stats[#"sluice_listed_decisions_total{kind="deny"}"#] ?? 0) >= 3)
        #expect(stats[#"sluice_listings{kind="deny",source="file"}"#] == 2)
        // A network is named by its first address, in a dimension of addresses.
        await #expect(
            throws: SluiceClientError.status(
                .invalidArgument,
                message: "the address has bits behind the prefix: a network is named by its first address")
        ) {
            try await one.withClient("admin") {
                try await $0.setListing(Self.set([WireEntity("ip", "198.51.100.1/25")], .deny))
            }
        }
    }

    @Test("A service that starts knows the lists before its first answer")
    func start() async throws {
        let redis = try RedisServer()
        let url = "unix://\(redis.socket)"
        let one = try await ServiceProcess.start(limits: Self.limits, redis: url)
        _ = try await one.withClient("admin") { client in
            try await client.setListing(Self.set([WireEntity("user", "u")], .deny, forMs: 3_600_000))
        }
        let late = try await ServiceProcess.start(limits: Self.limits, redis: url)
        let listing = try #require(try await Self.listings(late).first)
        #expect(listing.untilMs - listing.sinceMs == 3_600_000)
    }

    @Test("Listings come page by page, in order, and of some entities alone")
    func pages() async throws {
        let service = try await ServiceProcess.start(limits: Self.limits)
        try await service.withClient("admin") { client in
            for number in 0..<25 {
                _ = try await client.setListing(Self.set([WireEntity("user", "u\(100 + number)")], .deny))
            }
            _ = try await client.setListing(Self.set([WireEntity(dimension: "card", value: [0, 0xFF, 0x3D])], .watch))
            var values: [[UInt8]] = []
            var request = WireListingsRequest.with { $0.count = 10 }
            repeat {
                let page = try await client.listings(request)
                #expect(page.listings.count <= 10)
                values += page.listings.map { Array($0.entity.value) }
                request.after = page.next
            } while !request.after.isEmpty
            #expect(values == [[0, 0xFF, 0x3D]] + (0..<25).map { Array("u\(100 + $0)".utf8) })
            let some = try await client.listings(
                .with { $0.entities = [WireEntity("user", "u107"), WireEntity("device", "u108")] })
            #expect(some.listings.map(\.entity) == [WireEntity("user", "u107")])
            #expect(some.next.isEmpty)
        }
        let stats = try await service.stats()
        #expect(stats[#"sluice_listings{kind="deny",source="operators"}"#] == 25)
        #expect(stats[#"sluice_listings{kind="watch",source="operators"}"#] == 1)
        #expect((stats["sluice_listings_age_seconds"] ?? 99) < 2)
    }

    @Test("What cannot be is refused in words, without the value, and changes nothing")
    func invalid() async throws {
        let service = try await ServiceProcess.start(limits: Self.limits)
        let user = WireEntity("user", "secret-value")
        let bad: [(WireSetListingRequest, String)] = [
            (Self.set([], .deny), "no entity"),
            (Self.set([user, WireEntity("device", "d")], .deny), "a list holds single entities, these are 2"),
            (Self.set([WireEntity("user", "")], .deny), "an empty value"),
            (Self.set([WireEntity("Us er", "v")], .deny), "a dimension may have only a-z, 0-9 and _"),
            (Self.set([user], .deny, forMs: Caps.listingMs + 1), "for_ms is at most ten years"),
            (Self.set([user], .remove, forMs: 1), "for_ms does not go with a removal"),
            (Self.set([user], .deny, reason: String(repeating: "r", count: 501)), "reason has up to 500 bytes"),
            (Self.set([user], .deny, by: String(repeating: "b", count: 201)), "by has up to 200 bytes"),
            (Self.set([user], .deny, reason: "a\u{1B}[31m"), "reason has a control character"),
            (Self.set([user], .UNRECOGNIZED(9)), "unknown action"),
        ]
        try await service.withClient("admin") { client in
            for (request, words) in bad {
                await #expect(throws: SluiceClientError.status(.invalidArgument, message: words)) {
                    try await client.setListing(request)
                }
            }
            let queries: [(WireListingsRequest, String)] = [
                (.with { $0.count = 1_001 }, "count is at most 1000"),
                (.with { $0.after = "kxyz" }, "after is not the next of another page"),
                (.with { $0.after = "f-1" }, "after is not the next of another page"),
            ]
            for (request, words) in queries {
                await #expect(throws: SluiceClientError.status(.invalidArgument, message: words)) {
                    try await client.listings(request)
                }
            }
        }
        #expect(try await Self.listings(service).isEmpty)
        try await service.withClient { client in
            await #expect(
                throws: SluiceClientError.status(
                    .permissionDenied, message: "set_listing is served on the admin listener")
            ) { try await client.setListing(Self.set([user], .deny)) }
            await #expect(
                throws: SluiceClientError.status(.permissionDenied, message: "listings is served on the admin listener")
            ) { try await client.listings() }
        }
        #expect(!service.log.contains("secret-value"))
    }

    @Test("Without Redis a change is refused as not made, and what was listed is still told")
    func withoutRedis() async throws {
        let redis = try RedisServer()
        let service = try await ServiceProcess.start(limits: Self.limits, redis: "unix://\(redis.socket)")
        try await service.withClient("admin") { client in
            _ = try await client.setListing(Self.set([WireEntity("user", "u")], .deny))
            redis.stop()
            var failure: SluiceClientError?
            for _ in 0..<100 {
                do throws(SluiceClientError) {
                    _ = try await client.setListing(Self.set([WireEntity("user", "v")], .deny))
                } catch {
                    failure = error
                }
                if case .status(.unavailable, _) = failure { break }
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(failure == .status(.unavailable, message: "Redis is not connected"))
        }
        #expect(try await Self.listings(service).map(\.entity) == [WireEntity("user", "u")])
    }
}
