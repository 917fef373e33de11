import NIOCore
import SluiceModel
import SluiceReference
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

/// Estimates by reference, to be asked within an expectation.
private final class Held {
    private var estimates: LocalEstimates

    init(capacity: Int) {
        estimates = LocalEstimates(capacity: capacity)
    }

    func add(_ weight: UInt64, to hash: UInt64, windowMs: UInt64, nowMs: UInt64) {
        estimates.add(weight, to: hash, windowMs: windowMs, nowMs: nowMs)
    }

    func insert(member: UInt64, into hash: UInt64, windowMs: UInt64, nowMs: UInt64) {
        estimates.insert(member: member, into: hash, windowMs: windowMs, nowMs: nowMs)
    }

    func used(_ hash: UInt64, windowMs: UInt64, nowMs: UInt64) -> UInt64 {
        estimates.used(hash, windowMs: windowMs, nowMs: nowMs)
    }

    func distinct(_ hash: UInt64, member: UInt64, windowMs: UInt64, nowMs: UInt64) -> (UInt64, Bool) {
        estimates.distinct(hash, member: member, windowMs: windowMs, nowMs: nowMs)
    }
}

@Suite("Estimates while Redis is away")
struct LocalEstimatesTests {
    @Test("A counter is what the window that runs holds, and the part of the one before that still overlaps")
    func sliding() {
        let estimates = Held(capacity: 64)
        estimates.add(10, to: 7, windowMs: 1_000, nowMs: 5_000)
        #expect(estimates.used(7, windowMs: 1_000, nowMs: 5_999) == 10)
        #expect(estimates.used(7, windowMs: 1_000, nowMs: 6_000) == 10)
        #expect(estimates.used(7, windowMs: 1_000, nowMs: 6_500) == 5)
        estimates.add(3, to: 7, windowMs: 1_000, nowMs: 6_500)
        #expect(estimates.used(7, windowMs: 1_000, nowMs: 6_900) == 4)
        #expect(estimates.used(7, windowMs: 1_000, nowMs: 8_000) == 0)
        estimates.add(.max, to: 8, windowMs: 10, nowMs: 0)
        estimates.add(.max, to: 8, windowMs: 10, nowMs: 0)
        #expect(estimates.used(8, windowMs: 10, nowMs: 0) >= Caps.exactInteger)
    }

    @Test("Distinct values are counted, about, and known again")
    func distinct() {
        let estimates = Held(capacity: 64)
        for member in 0..<5 { estimates.insert(member: UInt64(member), into: 9, windowMs: 1_000, nowMs: 1) }
        let (count, isKnown) = estimates.distinct(9, member: 3, windowMs: 1_000, nowMs: 2)
        #expect(count == 5 && isKnown)
        #expect(estimates.distinct(9, member: 40, windowMs: 1_000, nowMs: 2).1 == false)
    }

    @Test("Its memory is bounded: the longest unused gives way")
    func bounded() {
        let estimates = Held(capacity: 8)
        for hash in 1...9 { estimates.add(1, to: UInt64(hash), windowMs: 1_000, nowMs: UInt64(hash)) }
        #expect(estimates.used(9, windowMs: 1_000, nowMs: 10) == 1)
        #expect(estimates.used(2, windowMs: 1_000, nowMs: 10) == 1)
        #expect(estimates.used(1, windowMs: 1_000, nowMs: 10) == 0)
    }

    @Test("Without Redis a rule lets its share through, and says that it is an estimate", arguments: [1, 3])
    func share(instances: Int) async throws {
        var rule = Rule(
            name: "r", check: [Pattern("a")], per: ["user"],
            limits: [Limit(max: 6, windowMs: 3_600_000, verdict: .challenge, text: "6")])
        rule.count = rule.check
        rule.onRedisFailure = .local
        var shadow = rule
        (shadow.name, shadow.shadow) = ("s", true)
        shadow.limits[0].verdict = .deny
        var settings = EngineHarness.settings(clock: .redis)
        settings.instances = instances
        let engine = try await EngineHarness(
            target: RedisTarget(endpoint: .unix(path: "/nowhere/redis.sock")), rules: [rule, shadow],
            settings: settings)
        var verdicts: [WireVerdict] = []
        for _ in 0..<8 {
            let response = try await engine.decide(.init("a", ["user": "u"]))
            #expect(response.basis == .local && response.trips.isEmpty)
            verdicts.append(response.verdict)
        }
        let share = 6 / instances
        #expect(verdicts.prefix(share).allSatisfy { $0 == .allow } && verdicts[share] == .challenge)
        #expect(try await engine.decide(.init("a", ["user": "v"])).verdict == .allow)
        // The metrics tell what each rule alone would have said, the one in shadow too.
        let series = try await engine.run { $0.metrics.series(in: $0.rules.set).decisions }
        let allowed = UInt64(share + 1)
        #expect(
            series == [
                .init(rule: "r", basis: .local, verdict: .allow): allowed,
                .init(rule: "r", basis: .local, verdict: .challenge): 9 - allowed,
                .init(rule: "s", basis: .local, verdict: .allow): allowed,
                .init(rule: "s", basis: .local, verdict: .deny): 9 - allowed,
            ])
        try await engine.shutDown()
    }

    @Test("Where too many wait, the one with the nearest deadline gives way")
    func shedding() async throws {
        let redis = try RedisServer()
        var rule = Rule(
            name: "r", check: [Pattern("a")], per: ["user"],
            limits: [Limit(max: 1_000, windowMs: 60_000, verdict: .deny, text: "1000")])
        rule.count = rule.check
        var settings = EngineHarness.settings(clock: .redis)
        settings.bounds.waitingPerLoop = 100
        let engine = try await EngineHarness(redis: redis, rules: [rule], settings: settings)
        let calls = (0..<130).map { (request: ReferenceModel.Request("a", ["user": "u\($0)"]), atMs: UInt64?.none) }
        let outcomes = try await engine.decide(calls, timeout: .seconds(5))
        let isShed = outcomes.map { outcome in
            if case .refused(.resourceExhausted, _) = outcome { return true }
            return false
        }
        #expect(isShed.prefix(30).allSatisfy { $0 } && !isShed.dropFirst(30).contains(true))
        #expect(try await engine.run { [$0.metrics.shed, UInt64($0.waiting)] } == [30, 0])
        try await engine.shutDown()
    }
}
