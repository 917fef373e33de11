import Foundation
import SluiceClient
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

/// What an operator or an undo takes back is seen at once through every loop of the service.
@Suite("The deny cache of a running service", .timeLimit(.minutes(2)))
struct DenyCacheServiceTests {
    private static func limits(max: Int = 4) -> String {
        """
        version: 1
        rules:
          - { name: orders, check: checkout, per: [user], limits: [ { max: \(max), window: 1h } ] }
          - { name: blocks, check: blocked, per: [user], limits: [ { max: 4, window: 100ms, block_for: 1h } ] }

        """
    }

    private static func service() async throws -> ServiceProcess {
        // Deadlines that a busy machine keeps.
        try await ServiceProcess.start(
            limits: limits(), settings: "deadline: { default: 1s, max: 1s }\nreload: { watch: false }\n",
            ["--threads", "2"])
    }

    private static func request(_ user: String, _ action: String = "checkout") -> WireCheckRequest {
        WireCheckRequest(action: action, entities: [WireEntity("user", user)])
    }

    /// Runs `body` with clients on both loops.
    private static func withClients(
        of service: ServiceProcess, _ body: ([SluiceClient]) async throws -> Void
    ) async throws {
        var configuration = SluiceClient.Configuration(endpoint: try service.endpoint("data"))
        configuration.deadline = .seconds(1)
        let clients = (0..<4).map { _ in SluiceClient(configuration) }
        try await body(clients)
        for client in clients { await client.shutdown() }
    }

    /// Has every client refused without Redis.
    private static func prime(_ clients: [SluiceClient], _ request: WireCheckRequest) async throws {
        for client in clients {
            var answer = try await client.check(request)
            for _ in 0..<10 where answer.basis != .cache { answer = try await client.check(request) }
            #expect(answer.basis == .cache && answer.verdict == .deny)
        }
    }

    /// Every client's next check is decided by Redis, and admitted.
    private static func expectAdmitted(_ clients: [SluiceClient], _ request: WireCheckRequest) async throws {
        for client in clients {
            let answer = try await client.check(request)
            #expect(answer.verdict == .allow && answer.basis == .redis, "\(answer)")
        }
    }

    @Test("After reset, undo, unblock, a new generation and an allow entry the next check asks Redis, on every loop")
    func dropped() async throws {
        let service = try await Self.service()
        try await Self.withClients(of: service) { clients in
            for round in 0..<5 {
                let reset = Self.request("reset\(round)")
                for _ in 0..<5 { _ = try await clients[0].check(reset) }
                try await Self.prime(clients, reset)
                _ = try await service.withClient("admin") { try await $0.reset(.with { $0.entities = reset.entities }) }
                try await Self.expectAdmitted(clients, reset)

                var event = Self.request("undo\(round)")
                (event.cost, event.eventID) = (4, Data("e".utf8))
                #expect(try await clients[0].check(event).verdict == .allow)
                let plain = Self.request("undo\(round)")
                try await Self.prime(clients, plain)
                let undone = try await clients[round % 4].undo(
                    .with {
                        $0.action = event.action
                        $0.entities = event.entities
                        $0.eventID = event.eventID
                    })
                #expect(undone.undone)
                try await Self.expectAdmitted(clients, plain)

                let blocked = Self.request("unblock\(round)", "blocked")
                for _ in 0..<5 { _ = try await clients[0].check(blocked) }
                try await Task.sleep(for: .milliseconds(110))
                try await Self.prime(clients, blocked)
                let lifted = try await service.withClient("admin") { client in
                    try await client.setListing(
                        .with {
                            $0.entities = blocked.entities
                            $0.action = .remove
                        }
                    ).liftedBlocks
                }
                #expect(lifted == 1)
                try await Self.expectAdmitted(clients, blocked)
            }

            let listed = Self.request("listed")
            for _ in 0..<5 { _ = try await clients[0].check(listed) }
            try await Self.prime(clients, listed)
            func list(_ kind: WireListing.Kind) async throws {
                _ = try await service.withClient("admin") { client in
                    try await client.setListing(
                        .with {
                            $0.entities = listed.entities
                            $0.action = kind
                        })
                }
            }
            try await list(.allow)
            try await Self.expectAdmitted(clients, listed)
            try await list(.watch)
            try await Self.prime(clients, listed)
            let watched = try await clients[0].check(listed)
            #expect(watched.trips.map(\.rule) == ["orders"] && watched.hasRetryAfterMs)
            try await list(.deny)
            try await Self.prime(clients, listed)
            let denied = try await clients[0].check(listed)
            #expect(denied.trips.map(\.rule) == ["", "orders"] && denied.trips[0].reason == .listed)
            #expect(!denied.hasRetryAfterMs)

            let reloaded = Self.request("reloaded")
            for _ in 0..<5 { _ = try await clients[0].check(reloaded) }
            try await Self.prime(clients, reloaded)
            try service.write(limits: Self.limits(max: 8))
            #expect(try await service.withClient("admin") { try await $0.reload(WireReloadRequest()) }.ok)
            try await Self.expectAdmitted(clients, reloaded)
        }
    }

    @Test("An undo and a check right behind it on one connection: the check is decided by Redis")
    func pipelined() async throws {
        let service = try await Self.service()
        try await service.withClient { client in
            for round in 0..<20 {
                var event = Self.request("u\(round)")
                (event.cost, event.eventID) = (4, Data("e".utf8))
                _ = try await client.check(event)
                try await Self.prime([client], Self.request("u\(round)"))
                let undo = WireUndoRequest.with {
                    $0.action = event.action
                    $0.entities = event.entities
                    $0.eventID = event.eventID
                }
                async let undone = client.undo(undo)
                let answer = try await client.check(Self.request("u\(round)"))
                // Whichever came first; but the one behind the other sees what it did.
                if answer.verdict == .allow { #expect(answer.basis == .redis) }
                #expect(try await undone.undone)
                #expect(try await client.check(Self.request("u\(round)")).basis == .redis)
            }
        }
    }

    @Test("Its numbers are in the metrics, top counts what it refuses, and 0 turns it off")
    func observed() async throws {
        let service = try await Self.service()
        try await service.withClient { client in
            for _ in 0..<200 { _ = try await client.check(Self.request("u")) }
        }
        let stats = try await service.stats()
        let cached = stats["sluice_decisions_total{basis=\"cache\",verdict=\"deny\"}"] ?? 0
        #expect(cached > 150)
        #expect(stats["sluice_rule_decisions_total{rule=\"orders\",verdict=\"deny\",basis=\"cache\"}"] == cached)
        #expect(stats["sluice_trips_total{rule=\"orders\",limit=\"4 per 1h\"}"] == 196)
        #expect(stats["sluice_deny_cache_entries"] ?? 9 <= 1)
        #expect(stats["sluice_deny_cache_evictions_total"] == 0)
        #expect(stats["sluice_deny_cache_attempts_total"] == 0)
        let refused = try await service.withClient("admin") { client in
            try await client.top(.with { $0.by = .refused }).entries
        }
        #expect(refused.first?.entity.value == Data("u".utf8) && refused.first?.count ?? 0 > 150)

        let off = try await ServiceProcess.start(
            limits: Self.limits(), settings: "bounds: { refusals_per_loop: 0 }\ndeadline: { default: 1s, max: 1s }\n")
        try await off.withClient { client in
            for number in 0..<20 {
                let answer = try await client.check(Self.request("u"))
                #expect(answer.basis == .redis && (answer.verdict == .deny) == (number >= 4))
            }
        }
    }
}
