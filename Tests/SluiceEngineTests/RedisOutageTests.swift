import Foundation
import NIOCore
import SluiceModel
import SluiceReference
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

/// Redis goes away in several ways under an engine that goes on.
@Suite("Without Redis every request is answered by its rules' policy, in time", .timeLimit(.minutes(2)))
struct RedisOutageTests {
    private static let deadline = TimeAmount.milliseconds(30)

    private static func rule(_ name: String, _ action: String, _ policy: FailurePolicy, shadow: Bool = false) -> Rule {
        Rule(
            name: name, check: [Pattern(action)], per: ["user"],
            limits: [Limit(max: 1_000_000, windowMs: 60_000, text: "")], shadow: shadow, onRedisFailure: policy
        )
    }

    private static let rules = [
        rule("open", "open", .allow), rule("closed", "closed", .deny), rule("half", "half", .local),
        rule("first", "both", .allow), rule("second", "both", .deny), rule("third", "both", .allow),
        rule("quiet", "quiet", .deny, shadow: true),
    ]

    private static func engine(
        _ redis: RedisServer, runsInFlight: Int = 4, stallLimit: TimeAmount = RedisLink.longestStall
    ) async throws -> EngineHarness {
        var settings = EngineHarness.settings(clock: .redis)
        settings.bounds.runsInFlight = runsInFlight
        return try await EngineHarness(redis: redis, rules: rules, settings: settings, stallLimit: stallLimit)
    }

    /// Answers while Redis is away, one for each way of asking.
    private static func checkPolicies(
        _ engine: EngineHarness,
        _ sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let cases: [(ReferenceModel.Request, WireVerdict, WireBasis)] = [
            (.init("open", ["user": "u"]), .allow, .policy), (.init("closed", ["user": "u"]), .deny, .policy),
            (.init("closed", ["user": "u"], mode: .peek), .deny, .policy),
            (.init("closed", ["user": "u"], mode: .record), .allow, .policy),
            (.init("both", ["user": "u"]), .deny, .policy), (.init("quiet", ["user": "u"]), .allow, .policy),
            // Rules that do not apply have no say.
            (.init("closed"), .allow, .redis), (.init("other", ["user": "u"]), .allow, .redis),
        ]
        let began = NIODeadline.now()
        let outcomes = try await engine.decide(cases.map { ($0.0, nil) }, timeout: deadline)
        let took = NIODeadline.now() - began
        #expect(took < deadline + .seconds(1), sourceLocation: sourceLocation)
        for ((request, verdict, basis), outcome) in zip(cases, outcomes) {
            guard case .response(let response) = outcome else {
                Issue.record("\(outcome)", sourceLocation: sourceLocation)
                continue
            }
            let action = String(decoding: request.action, as: UTF8.self)
            #expect(response.verdict == verdict, "\(action) \(request.mode)", sourceLocation: sourceLocation)
            #expect(response.basis == basis, "\(action) \(request.mode)", sourceLocation: sourceLocation)
            #expect(response.trips.isEmpty && !response.hasRetryAfterMs, sourceLocation: sourceLocation)
        }
    }

    private static func used(_ engine: EngineHarness, _ rule: String = "open", _ user: String = "u") async throws
        -> UInt64
    {
        try await engine.inspect([("user", Array(user.utf8))], atMs: nil).first { $0.rule == rule }?.used ?? 0
    }

    @Test("Killed and started again: policy meanwhile, then counting by itself")
    func killed() async throws {
        let redis = try RedisServer()
        let engine = try await Self.engine(redis)
        #expect(try await engine.decide(.init("open", ["user": "u"])).basis == .redis)
        redis.stop()
        for _ in 0..<200 where try await engine.run({ $0.queues[0].link.isConnected }) {
            try await Task.sleep(for: .milliseconds(5))
        }
        try await Self.checkPolicies(engine)
        try await Task.sleep(for: .milliseconds(100))
        try await Self.checkPolicies(engine)
        try redis.restart()
        try await engine.waitForRedis()
        #expect(try await engine.decide(.init("open", ["user": "u"])).basis == .redis)
        #expect(try await Self.used(engine) == 1, "nothing of the outage was replayed")
        try await engine.shutDown()
    }

    @Test("Killed with runs out: every request is answered, none twice, none replayed")
    func killedUnderLoad() async throws {
        let redis = try RedisServer()
        let engine = try await Self.engine(redis)
        redis.freeze()
        let calls = (0..<400).map {
            (request: ReferenceModel.Request("closed", ["user": "u\($0 % 50)"]), atMs: UInt64?.none)
        }
        async let outcomes = engine.decide(calls, timeout: .seconds(20))
        try await Task.sleep(for: .milliseconds(50))
        redis.stop()
        for outcome in try await outcomes {
            guard case .response(let response) = outcome else {
                Issue.record("\(outcome)")
                continue
            }
            #expect(response.basis == .policy)
            #expect(response.verdict == .deny)
        }
        try redis.restart()
        try await engine.waitForRedis()
        #expect(try RedisConnection(socket: redis.socket).command("DBSIZE").number == 0)
        #expect(try await engine.run { $0.waiting } == 0)
        try await engine.shutDown()
    }

    @Test("Frozen for 300 ms: policy at the deadline, late answers go nowhere, each call counts at most once")
    func frozen() async throws {
        let redis = try RedisServer()
        let engine = try await Self.engine(redis, runsInFlight: 1)
        _ = try await engine.decide(.init("open", ["user": "u"]))
        redis.freeze()
        var asked: UInt64 = 1
        let began = NIODeadline.now()
        while NIODeadline.now() - began < .milliseconds(300) {
            let before = NIODeadline.now()
            let response = try await engine.decide(.init("open", ["user": "u"]), timeout: Self.deadline)
            #expect(NIODeadline.now() - before < Self.deadline + .seconds(1))
            #expect(response.basis == .policy)
            asked += 1
        }
        redis.resume()
        for _ in 0..<50 {
            let response = try await engine.decide(.init("open", ["user": "u"]), timeout: .seconds(5))
            #expect(response.basis == .redis)
            asked += 1
        }
        // The first of the frozen ones was out, and has counted; those behind it were never sent.
        let used = try await Self.used(engine)
        #expect(used == 52)
        #expect(used <= asked)
        try await engine.shutDown()
    }

    @Test("Frozen under load: what nobody waits for any more is not kept, nor sent afterwards")
    func frozenUnderLoad() async throws {
        let redis = try RedisServer()
        let engine = try await Self.engine(redis)
        redis.freeze()
        let calls = (0..<400).map { (request: ReferenceModel.Request("open", ["user": "u\($0)"]), atMs: UInt64?.none) }
        for _ in 0..<10 { _ = try await engine.decide(calls, timeout: .milliseconds(2)) }
        let kept = try await engine.run { $0.queues[0].sealed.count }
        #expect(kept < 5, "runs that are not sent")
        redis.resume()
        try await engine.waitForRedis()
        #expect(try await engine.decide(.init("open", ["user": "u"]), timeout: .seconds(5)).basis == .redis)
        // Four runs were out when the first deadline passed.
        #expect(try await engine.run { $0.metrics.runs } < 20)
        #expect(try await engine.run { $0.waiting } == 0)
        try await engine.shutDown()
    }

    @Test("A Redis that goes silent without hanging up is given up, and found again")
    func silence() async throws {
        let redis = try RedisServer()
        let engine = try await Self.engine(redis, stallLimit: .milliseconds(200))
        _ = try await engine.decide(.init("open", ["user": "u"]))
        redis.freeze()
        let began = NIODeadline.now()
        #expect(try await engine.decide(.init("closed", ["user": "u"])).basis == .policy)
        let took = NIODeadline.now() - began
        #expect(took >= .milliseconds(200) && took < .milliseconds(750), "\(took)")
        #expect(try await engine.run { [$0.queues[0].link.losses, $0.queues[0].link.stalls] } == [1, 1])
        #expect(try await engine.run { $0.metrics.failures } == [.stalled: 1])
        // Connections are accepted by the kernel, and nothing comes over them.
        try await Task.sleep(for: .milliseconds(2_500))
        #expect(try await engine.run { $0.queues[0].link.lastError } == "no answer to the handshake in time")
        redis.resume()
        let resumed = NIODeadline.now()
        try await engine.waitForRedis()
        #expect(NIODeadline.now() - resumed < .milliseconds(1_500))
        #expect(try await engine.run { $0.queues[0].link.losses } == 1)
        #expect(try await engine.decide(.init("open", ["user": "v"])).basis == .redis)
        // What was out when Redis froze was in its socket, and counts; it was not sent again.
        #expect(try await Self.used(engine, "closed") <= 1)
        try await engine.shutDown()
    }

    @Test("Frozen for moments shorter than a stall, with nothing to say in between: the connection stays")
    func shortFreezes() async throws {
        let redis = try RedisServer()
        let engine = try await Self.engine(redis, stallLimit: .seconds(1))
        for _ in 0..<2 {
            redis.freeze()
            async let answer = engine.decide(.init("open", ["user": "u"]), timeout: .seconds(5))
            try await Task.sleep(for: .milliseconds(600))
            redis.resume()
            #expect(try await answer.basis == .redis)
            // Longer than a stall, but nobody waits for anything.
            try await Task.sleep(for: .milliseconds(1_300))
        }
        #expect(try await engine.run { [$0.queues[0].link.losses, $0.queues[0].link.connects] } == [0, 1])
        try await engine.shutDown()
    }

    @Test("SCRIPT FLUSH under load loses no call and counts each once")
    func scriptFlush() async throws {
        let redis = try RedisServer()
        let look = try RedisConnection(socket: redis.socket)
        let engine = try await Self.engine(redis)
        var asked: UInt64 = 0
        for _ in 0..<40 {
            async let outcomes = engine.decide(
                (0..<300).map { _ in (.init("open", ["user": "u"]), nil) }, timeout: .seconds(10))
            try look.command("SCRIPT", "FLUSH")
            for outcome in try await outcomes {
                guard case .response(let response) = outcome, response.basis == .redis else {
                    Issue.record("\(outcome)")
                    return
                }
                asked += 1
            }
        }
        #expect(try await Self.used(engine) == asked)
        #expect(try await engine.run { $0.queues[0].link.scriptLoads } > 0)
        #expect(try await engine.run { $0.queues[0].link.losses } == 0)
        try await engine.shutDown()
    }

    @Test("CLIENT KILL under load: some are answered by policy, none counts twice, and it goes on")
    func clientKill() async throws {
        let redis = try RedisServer()
        let look = try RedisConnection(socket: redis.socket)
        let engine = try await Self.engine(redis)
        var (byRedis, byPolicy): (UInt64, UInt64) = (0, 0)
        for _ in 0..<6 {
            try await engine.waitForRedis()
            async let outcomes = engine.decide(
                (0..<600).map { _ in (.init("open", ["user": "u"]), nil) }, timeout: .seconds(10))
            try look.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            for outcome in try await outcomes {
                guard case .response(let response) = outcome else {
                    Issue.record("\(outcome)")
                    return
                }
                if response.basis == .redis { byRedis += 1 } else { byPolicy += 1 }
            }
        }
        try await engine.waitForRedis()
        let used = try await Self.used(engine)
        #expect(used >= byRedis)
        #expect(used <= byRedis + byPolicy)
        #expect(byPolicy > 0)
        #expect(try await engine.run { $0.queues[0].link.losses } == 6)
        try await engine.shutDown()
    }

    @Test("Redis that cannot run scripts answers by policy with its reason, and recovers with it")
    func refusals() async throws {
        let redis = try RedisServer(["--maxmemory-policy", "noeviction"])
        let look = try RedisConnection(socket: redis.socket)
        let engine = try await Self.engine(redis)
        try look.command("CONFIG", "SET", "maxmemory", "1")
        #expect(try await engine.decide(.init("closed", ["user": "u"])).verdict == .deny)
        try look.command("CONFIG", "SET", "maxmemory", "0")
        // It is asked again a second later, and not before.
        #expect(try await engine.decide(.init("closed", ["user": "u"])).basis == .policy)
        #expect(try await engine.run { $0.metrics.failures[.heldOff] } == 1)
        try await Task.sleep(for: .milliseconds(1_050))
        try look.command("REPLICAOF", "127.0.0.1", "1")
        #expect(try await engine.decide(.init("closed", ["user": "u"])).verdict == .deny)
        try look.command("REPLICAOF", "NO", "ONE")
        try await engine.waitForRedis()
        #expect(try await engine.decide(.init("closed", ["user": "u"])).verdict == .allow)
        let failures = try await engine.run { $0.metrics.failures }
        #expect(failures[.outOfMemory] == 1)
        #expect(failures[.readOnly] == 1)
        try await engine.shutDown()
    }
}
