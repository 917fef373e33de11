import Foundation
import Logging
import NIOCore
import NIOPosix
import SluiceModel
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

/// The lanes of a service without its listeners, and the keeper of its lists.
private final class Instance: Sendable {
    let core: ServiceCore
    let keeper: ListKeeper
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)

    init(_ redis: RedisServer, _ file: LimitsFile = LimitsFile(rules: []), prefix: String = "sluice") async throws {
        var settings = ServiceSettings()
        settings.keyPrefix = prefix
        core = ServiceCore(settings: settings)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let rules = ActiveRules(
            file, generation: 1, source: ActiveRules.Source(path: "", yaml: "", sha256: "", loadedAtMs: 0),
            keyPrefix: prefix)
        try await core.start(
            rules: rules, target: RedisTarget(endpoint: .unix(path: redis.socket)), group: group, logger: logger)
        keeper = ListKeeper(core: core, normalizers: file.normalizers, logger: logger)
        core.listKeeper.withLockedValue { [keeper] in $0 = keeper }
        for _ in 0..<1_000 where await !core.isRedisConnected() { try await Task.sleep(for: .milliseconds(5)) }
    }

    /// What every loop says of one entity; the loops agree.
    func kind(_ dimension: String, _ value: String) async throws -> ListKind? {
        var kinds: Set<ListKind?> = []
        for handle in core.lanes {
            let kind = try await handle.run { lane in
                Array((dimension + value).utf8).withUnsafeBytes { bytes in
                    var view = RequestView(bytes: bytes)
                    let middle = dimension.utf8.count
                    _ = view.append(.init(dimension: 0..<middle, value: middle..<bytes.count))
                    let nowMs = UInt64(Date().timeIntervalSince1970 * 1000)
                    return lane.decider.lists.effect(on: view, raw: view, nowMs: nowMs)?.kind
                }
            }.get()
            kinds.insert(kind)
        }
        #expect(kinds.count == 1)
        return kinds.first ?? nil
    }

    func change(_ change: ListingScript.Change) async throws {
        let command = ListingScript.command(change, keyPrefix: core.settings.keyPrefix)
        _ = try await core.ask(command, patience: .seconds(5)) { ListingScript.outcome(of: $0) }.get()
    }

    func set(_ dimension: String, _ value: String, _ kind: ListKind, forMs: UInt64 = 0) async throws {
        let field = ListingField(dimension: dimension, value: value.utf8)
        try await change(.set(field, kind: kind, forMs: forMs, by: "ann", reason: "why"))
    }

    func remove(_ dimension: String, _ value: String) async throws {
        try await change(.remove([ListingField(dimension: dimension, value: value.utf8)]))
    }

    func shutDown() async throws {
        await core.shutDown()
        try await group.shutdownGracefully()
    }
}

@Suite("Lists kept in Redis, in force in every loop", .timeLimit(.minutes(2)))
struct ListKeeperTests {
    @Test("A pull takes up what was set, changed and removed by others, in all loops")
    func follows() async throws {
        let redis = try RedisServer()
        let (one, other) = (try await Instance(redis), try await Instance(redis))
        try await one.set("user", "u", .deny)
        try await one.set("user", "v", .watch)
        #expect(await other.keeper.pull())
        #expect(try await other.kind("user", "u") == .deny)
        #expect(try await other.kind("user", "v") == .watch)
        try await one.set("user", "u", .allow)
        try await one.remove("user", "v")
        #expect(await other.keeper.pull())
        #expect(try await other.kind("user", "u") == .allow)
        #expect(try await other.kind("user", "v") == nil)
        #expect(await other.keeper.status().counts == [.allow: 1])
        try await one.shutDown()
        try await other.shutDown()
    }

    @Test("A listing ends on time with nobody's help, and is dropped a moment later")
    func ends() async throws {
        let redis = try RedisServer()
        let one = try await Instance(redis)
        try await one.set("user", "u", .deny, forMs: 300)
        #expect(await one.keeper.pull())
        #expect(try await one.kind("user", "u") == .deny)
        try await Task.sleep(for: .milliseconds(350))
        #expect(try await one.kind("user", "u") == nil)
        #expect(await one.keeper.pull())
        #expect(await one.keeper.status().counts == [:])
        try await one.shutDown()
    }

    @Test("While Redis is away the last known lists hold; when it is back and empty, so are they")
    func away() async throws {
        let redis = try RedisServer()
        let one = try await Instance(redis)
        try await one.set("user", "u", .deny)
        #expect(await one.keeper.pull())
        redis.stop()
        #expect(await !one.keeper.pull())
        #expect(try await one.kind("user", "u") == .deny)
        #expect(await one.keeper.status().counts == [.deny: 1])
        try redis.restart()
        for _ in 0..<500 where await !one.keeper.pull() { try await Task.sleep(for: .milliseconds(10)) }
        #expect(try await one.kind("user", "u") == nil)
        try await one.set("user", "v", .deny)
        #expect(await one.keeper.pull())
        #expect(try await one.kind("user", "v") == .deny)
        try await one.shutDown()
    }

    @Test("Many listings come in page by page, and all that are removed go")
    func many() async throws {
        let redis = try RedisServer()
        let (one, late) = (try await Instance(redis), try await Instance(redis))
        let count = ListingScript.pageSize * 6 + 7
        for number in 0..<count { try await one.set("user", "u\(number)", .deny) }
        #expect(await late.keeper.pull())
        #expect(await late.keeper.status().counts == [.deny: count])
        #expect(try await late.kind("user", "u\(count - 1)") == .deny)
        for number in 0..<count { try await one.remove("user", "u\(number)") }
        #expect(await late.keeper.pull())
        #expect(await late.keeper.status().counts == [:])
        #expect(try await late.kind("user", "u0") == nil)
        try await one.shutDown()
        try await late.shutDown()
    }

    @Test("Whoever was away for longer than removals are remembered reads all of it again")
    func forgotten() async throws {
        let redis = try RedisServer()
        let (one, late) = (try await Instance(redis), try await Instance(redis))
        try await one.set("user", "gone", .deny)
        try await one.set("user", "kept", .deny)
        #expect(await late.keeper.pull())
        try await one.remove("user", "gone")
        let look = try RedisConnection(socket: redis.socket)
        let version = try look.command("HGET", "sluice1:{listings}:meta", "version").string
        // Another instance forgot the removal.
        try look.command("ZREM", "sluice1:{listings}:changes", "user=gone")
        try look.command("ZREM", "sluice1:{listings}:gone", "user=gone")
        try look.command("HSET", "sluice1:{listings}:meta", "floor", version)
        #expect(try await late.kind("user", "gone") == .deny)
        #expect(await late.keeper.pull())
        #expect(try await late.kind("user", "gone") == nil)
        #expect(try await late.kind("user", "kept") == .deny)
        try await one.shutDown()
        try await late.shutDown()
    }

    @Test("What Redis lost without a word is noticed by the number of listings")
    func lostWrites() async throws {
        let redis = try RedisServer()
        let one = try await Instance(redis)
        try await one.set("user", "u", .deny)
        try await one.set("user", "v", .deny)
        #expect(await one.keeper.pull())
        let look = try RedisConnection(socket: redis.socket)
        try look.command("HDEL", "sluice1:{listings}:listed", "user=u")
        try look.command("ZREM", "sluice1:{listings}:changes", "user=u")
        #expect(await one.keeper.pull())
        #expect(try await one.kind("user", "u") == nil)
        #expect(try await one.kind("user", "v") == .deny)
        try await one.shutDown()
    }

    @Test("Rules with another way to write values match what is listed in that form, from the swap on")
    func reload() async throws {
        let redis = try RedisServer()
        let one = try await Instance(redis)
        try await one.set("ip", "203.0.113.0/24", .deny)
        #expect(await one.keeper.pull())
        #expect(try await one.kind("ip", "203.0.113.9") == nil)
        var file = LimitsFile(rules: [], normalizers: ["ip": .ip(v4Prefix: 32, v6Prefix: 128)])
        file.lists = [FileListing(kind: .watch, dimension: "user", patterns: [Pattern("w")])]
        await one.core.use(
            ActiveRules(
                file, generation: 2, source: ActiveRules.Source(path: "", yaml: "", sha256: "", loadedAtMs: 0),
                keyPrefix: "sluice"))
        #expect(try await one.kind("ip", "203.0.113.9") == .deny)
        #expect(try await one.kind("user", "w") == .watch)
        try await one.shutDown()
    }

    @Test("Services of other prefixes have other lists, and what was listed and removed leaves nothing but its count")
    func keyspace() async throws {
        let redis = try RedisServer()
        let (one, other) = (try await Instance(redis), try await Instance(redis, prefix: "other"))
        let look = try RedisConnection(socket: redis.socket)
        for number in 0..<50 { try await one.set("user", "u\(number)", .deny, forMs: 20) }
        #expect(await other.keeper.pull())
        #expect(try await other.kind("user", "u0") == nil)
        try await Task.sleep(for: .milliseconds(30))
        #expect(await one.keeper.pull())
        let names = try look.command("KEYS", "*").elements.map(\.string)
        #expect(names.allSatisfy { $0.hasPrefix("sluice1:{listings}:") })
        #expect(try look.command("HLEN", "sluice1:{listings}:listed").number == 0)
        #expect(try look.command("ZCARD", "sluice1:{listings}:ends").number == 0)
        try await one.shutDown()
        try await other.shutDown()
    }
}
