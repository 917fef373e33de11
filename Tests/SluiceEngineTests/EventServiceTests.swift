import Foundation
import SluiceClient
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

/// Events and undo through real sockets, with several services on one Redis.
@Suite("An event counts once, whatever the gateway does", .timeLimit(.minutes(2)))
struct EventServiceTests {
    private static let limits = """
        version: 1
        defaults: { event_memory: 1h }
        rules:
          - { name: orders, check: checkout, per: [user], limits: [ { max: 100, window: 1h } ] }
          - name: spend
            check: checkout
            per: [user]
            measure: { sum: amount }
            limits: [ { max: 9007199254740991, window: 1d } ]
          - name: items
            check: checkout
            per: [user]
            measure: { distinct: item }
            limits: [ { max: 5, window: 1h } ]
          - name: declines
            check: checkout
            count: payment.declined
            per: [user]
            limits: [ { max: 3, window: 1h, block_for: [1s, 1h] } ]

        """

    private static func order(
        _ user: String, item: String, amount: UInt64 = 100, event: String, action: String = "checkout",
        mode: WireMode = .check
    ) -> WireCheckRequest {
        var request = WireCheckRequest(
            action: action, entities: [WireEntity("user", user), WireEntity("item", item)], mode: mode)
        request.amount = amount
        request.eventID = Data(event.utf8)
        return request
    }

    private static func undo(_ user: String, item: String, event: String, amount: UInt64 = 0) -> WireUndoRequest {
        .with {
            $0.action = "checkout"
            $0.entities = [WireEntity("user", user), WireEntity("item", item)]
            $0.eventID = Data(event.utf8)
            $0.amount = amount
        }
    }

    /// What each rule has counted of a user.
    private static func used(_ service: ServiceProcess, _ user: String) async throws -> [String: UInt64] {
        let usages = try await service.withClient("admin") {
            try await $0.inspect(.with { $0.entities = [WireEntity("user", user)] }).usages
        }
        return Dictionary(usages.map { ($0.rule, $0.used) }) { first, _ in first }
    }

    @Test("A gateway that sends every call three times, over two services at once, counts once")
    func threeTimes() async throws {
        let redis = try RedisServer()
        let url = "unix://\(redis.socket)"
        let services = [
            try await ServiceProcess.start(limits: Self.limits, redis: url),
            try await ServiceProcess.start(limits: Self.limits, redis: url, ["--threads", "2"]),
        ]
        let answers = try await services[0].withClient { one in
            try await services[1].withClient { other in
                try await withThrowingTaskGroup(of: WireCheckResponse.self) { tasks in
                    for number in 0..<60 {
                        for client in [one, other, one] {
                            tasks.addTask {
                                try await client.check(
                                    Self.order("u", item: "i\(number % 3)", event: "order-\(number)"))
                            }
                        }
                    }
                    return try await tasks.reduce(into: []) { $0.append($1) }
                }
            }
        }
        #expect(answers.count == 180 && answers.allSatisfy { $0.verdict == .allow })
        #expect(answers.count { $0.duplicate } == 120)
        #expect(try await Self.used(services[0], "u") == ["orders": 60, "spend": 6_000, "items": 3, "declines": 0])
    }

    @Test("Many undos of one event through two services at once take it back once, and nothing of another")
    func undoAtOnce() async throws {
        let redis = try RedisServer()
        let url = "unix://\(redis.socket)"
        let one = try await ServiceProcess.start(limits: Self.limits, redis: url)
        let other = try await ServiceProcess.start(limits: Self.limits, redis: url)
        let undone = try await one.withClient { first in
            try await other.withClient { second in
                _ = try await first.check(Self.order("u", item: "kept", amount: 7, event: "kept"))
                _ = try await first.check(Self.order("u", item: "gone", amount: 5, event: "gone"))
                return try await withThrowingTaskGroup(of: Bool.self) { tasks in
                    for client in [first, second, first, second, first, second] {
                        tasks.addTask { try await client.undo(Self.undo("u", item: "gone", event: "gone")).undone }
                    }
                    return try await tasks.reduce(into: 0) { $0 += $1 ? 1 : 0 }
                }
            }
        }
        #expect(undone == 1)
        #expect(try await Self.used(one, "u") == ["orders": 1, "spend": 7, "items": 1, "declines": 0])
    }

    @Test("An undo that comes before its check keeps it from counting, in another service too")
    func undoFirst() async throws {
        let redis = try RedisServer()
        let url = "unix://\(redis.socket)"
        let one = try await ServiceProcess.start(limits: Self.limits, redis: url)
        let other = try await ServiceProcess.start(limits: Self.limits, redis: url)
        let early = try await one.withClient { try await $0.undo(Self.undo("u", item: "i", event: "e")).undone }
        #expect(!early)
        try await other.withClient { client in
            let late = try await client.check(Self.order("u", item: "i", event: "e"))
            #expect(late.verdict == .allow && !late.duplicate)
            #expect(try await client.check(Self.order("u", item: "i", event: "e")).duplicate)
        }
        #expect(try await Self.used(one, "u") == ["orders": 0, "spend": 0, "items": 0, "declines": 0])
    }

    @Test("Part of an amount is given back; sums go to 2^53 - 1 and no further")
    func amounts() async throws {
        let service = try await ServiceProcess.start(limits: Self.limits)
        let most: UInt64 = 9_007_199_254_740_991
        try await service.withClient { client in
            #expect(try await client.check(Self.order("u", item: "i", amount: most - 10, event: "a")).verdict == .allow)
            let beyond = try await client.check(Self.order("u", item: "i", amount: 11, event: "b"))
            #expect(beyond.verdict == .deny && beyond.trips.map(\.used) == [most - 10])
            #expect(try await client.check(Self.order("u", item: "i", amount: 10, event: "c")).verdict == .allow)
            #expect(try await client.undo(Self.undo("u", item: "i", event: "a", amount: 1_000)).undone)
            #expect(try await Self.used(service, "u")["spend"] == most - 1_000)
            await #expect(throws: (any Error).self) {
                try await client.check(Self.order("u", item: "i", amount: most + 1, event: "d"))
            }
        }
        #expect(try await Self.used(service, "u")["spend"] == most - 1_000)
    }

    @Test("A refused event is told so again, who is blocked hears it, and a reset lets them in")
    func blocked() async throws {
        let service = try await ServiceProcess.start(limits: Self.limits)
        try await service.withClient { client in
            for number in 0..<3 {
                _ = try await client.check(
                    Self.order("u", item: "i", event: "d\(number)", action: "payment.declined", mode: .record))
            }
            let refused = try await client.check(Self.order("u", item: "i", event: "x"))
            #expect(refused.verdict == .deny && refused.trips.map(\.reason) == [.limit])
            #expect(try await client.check(Self.order("u", item: "i", event: "x")).duplicate)
            let blocked = try await client.check(Self.order("u", item: "i", event: "y"))
            #expect(blocked.trips.map(\.reason) == [.blocked])
        }
        let usages = try await service.withClient("admin") {
            try await $0.inspect(.with { $0.entities = [WireEntity("user", "u")] }).usages
        }
        let block = usages.first { $0.rule == "declines" }
        #expect(block?.blockStep == 1 && (1...1_000).contains(block?.blockedMs ?? 0))
        _ = try await service.withClient("admin") {
            try await $0.reset(.with { $0.entities = [WireEntity("user", "u")] })
        }
        try await service.withClient { client in
            let after = try await client.check(Self.order("u", item: "i", event: "z"))
            #expect(after.verdict == .allow)
        }
    }

    @Test("Undo says what is wrong with it, and the connection lives")
    func badUndo() async throws {
        let service = try await ServiceProcess.start(limits: Self.limits)
        try await service.withClient { client in
            for (change, word): (@Sendable (inout WireUndoRequest) -> Void, String) in [
                ({ $0.eventID = Data() }, "event_id"), ({ $0.action = "" }, "action"),
                ({ $0.eventID = Data(repeating: 1, count: 65) }, "event_id"), ({ $0.cost = .max }, "cost"),
                ({ $0.amount = 1 << 53 }, "amount"), ({ $0.atMs = 5 }, "at_ms"),
                ({ $0.entities.append(WireEntity("user", "twice")) }, "twice"),
            ] {
                var request = Self.undo("u", item: "i", event: "e")
                change(&request)
                do throws(SluiceClientError) {
                    _ = try await client.undo(request)
                    Issue.record("an undo with a bad \(word) was taken")
                } catch {
                    #expect("\(error)".contains(word))
                }
            }
            let last = try await client.undo(Self.undo("u", item: "i", event: "e"))
            #expect(!last.undone)
        }
    }

    private static let together = """
        version: 1
        dimensions: { email: lower, ip: { type: ip, v6_prefix: 64 } }
        rules:
          - { name: mails, check: signup, per: [email], limits: [ { max: 9, window: 1h } ] }
          - { name: nets, check: signup, per: [ip], limits: [ { max: 9, window: 1h } ] }
          - { name: site, check: open, per: [], limits: [ { max: 1, window: 1s, block_for: 1h } ] }
        lists:
          watch: { ip: ["2001:db8::1/128"] }

        """

    @Test("Reset and unblock find what was counted under normal forms and for everyone; a list names one address alone")
    func operators() async throws {
        let service = try await ServiceProcess.start(limits: Self.together)
        func ask(_ action: String, _ entities: [WireEntity]) async throws -> WireCheckResponse {
            try await service.withClient { try await $0.check(WireCheckRequest(action: action, entities: entities)) }
        }
        let mail = WireEntity("email", "Ann@Example.com")
        let one = WireEntity("ip", "2001:db8::1")
        let neighbour = WireEntity("ip", "2001:DB8:0:0::2")
        #expect(try await ask("signup", [mail, one]).verdict == .review)
        #expect(try await ask("signup", [mail, neighbour]).verdict == .allow)
        for (entity, rule) in [(mail, "mails"), (neighbour, "nets")] {
            let usages = try await service.withClient("admin") { client in
                try await client.inspect(.with { $0.entities = [entity] }).usages
            }
            #expect(usages.first { $0.rule == rule }?.used == 2)
            let removed = try await service.withClient("admin") { client in
                try await client.reset(.with { $0.entities = [entity] }).removed
            }
            #expect(removed == 1, "\(rule)")
        }
        _ = try await ask("open", [])
        #expect(try await ask("open", []).verdict == .deny)
        try await Task.sleep(for: .milliseconds(1_100))
        #expect(try await ask("open", []).trips.map(\.reason) == [.blocked])
        let lifted = try await service.withClient("admin") { try await $0.setListing(.with { $0.action = .remove }) }
        #expect(lifted.liftedBlocks == 1)
        #expect(try await ask("open", []).verdict == .allow)
    }
}
