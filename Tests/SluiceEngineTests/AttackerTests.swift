import Foundation
import SluiceModel
import SluiceReference
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

/// What one attacker got through, and the most of it that any window holds.
struct Admissions {
    private(set) var all: [(atMs: UInt64, weight: UInt64)] = []

    mutating func add(atMs: UInt64, weight: UInt64) { all.append((atMs, weight)) }

    var total: UInt64 { all.reduce(0) { $0 + $1.weight } }

    /// The largest sum over `[t, t + windowMs)`; it is reached at a `t` where something was admitted.
    func most(within windowMs: UInt64) -> UInt64 {
        let sorted = all.sorted { $0.atMs < $1.atMs }
        var most: UInt64 = 0
        for first in sorted.indices {
            let end = sorted[first].atMs + windowMs
            most = max(most, sorted[first...].prefix { $0.atMs < end }.reduce(0) { $0 + $1.weight })
        }
        return most
    }
}

/// Attackers with all the patience in the world, through several services on one Redis, on the clock that they choose.
@Suite("No window ever admits more than max")
struct AttackerTests {
    struct Shape: CustomTestStringConvertible, Sendable {
        var max: UInt64
        var windowMs: UInt64
        /// Nil: an exact log.
        var slices: Int?

        var rule: Rule {
            .perUser(max: max, windowMs: windowMs, exactUpTo: slices == nil ? 1_024 : 0, slices: slices ?? 60)
        }
        var tickMs: UInt64 { slices.map { (windowMs + UInt64($0) - 1) / UInt64($0) } ?? 1 }
        var testDescription: String {
            "\(max) per \(windowMs) ms, \(slices.map { "\($0) slices" } ?? "exact")"
        }
    }

    static let shapes = [
        Shape(max: 5, windowMs: 1_000, slices: nil), Shape(max: 64, windowMs: 997, slices: nil),
        Shape(max: 1, windowMs: 7, slices: nil), Shape(max: 5, windowMs: 1_000, slices: 1),
        Shape(max: 5, windowMs: 1_000, slices: 2), Shape(max: 8, windowMs: 1_000, slices: 7),
        Shape(max: 20, windowMs: 1_234, slices: 60), Shape(max: 30, windowMs: 997, slices: 120),
        Shape(max: 3, windowMs: 40, slices: 60), Shape(max: 10, windowMs: 60_001, slices: 60),
        Shape(max: 100, windowMs: 86_400_000, slices: 60),
    ]

    private static func services(_ count: Int, _ redis: RedisServer, _ rule: Rule) async throws -> [EngineHarness] {
        var services: [EngineHarness] = []
        for _ in 0..<count { services.append(try await EngineHarness(redis: redis, rules: [rule])) }
        return services
    }

    @Test("A burst at every phase of a slice, again too early and exactly at retry_after", arguments: shapes)
    func everyPhase(_ shape: Shape) async throws {
        let redis = try RedisServer()
        let services = try await Self.services(2, redis, shape.rule)
        let start: UInt64 = 1_700_000_000_000 - 1_700_000_000_000 % shape.tickMs
        let step = max(1, shape.tickMs / 16)
        for phase in stride(from: 0, to: shape.tickMs, by: UInt64.Stride(step)) {
            let request = ReferenceModel.Request("a", ["user": "u\(phase)"])
            var admitted = Admissions()
            var moments = [start + phase]
            let end = start + phase + 5 * shape.windowMs
            while let now = moments.popLast(), now < end {
                // Half through each service at the same time, and more than there is room for.
                let burst = Array(repeating: (request: request, atMs: UInt64?(now)), count: Int(shape.max) / 2 + 2)
                async let one = services[0].decide(burst)
                async let other = services[1].decide(burst)
                var retryAfter: UInt64?
                for outcome in try await one + other {
                    guard case .response(let response) = outcome else {
                        Issue.record("\(outcome)")
                        return
                    }
                    if response.verdict == .allow {
                        admitted.add(atMs: now, weight: 1)
                    } else {
                        retryAfter = min(retryAfter ?? .max, response.retryAfterMs)
                    }
                }
                guard moments.isEmpty else { continue }
                // Too early by a tick, by a millisecond, and in time.
                let passes = now + (try #require(retryAfter))
                moments = [passes, passes - 1, passes - shape.tickMs].filter { $0 > now }
            }
            #expect(admitted.most(within: shape.windowMs) == shape.max, "phase \(phase)")
            #expect(admitted.total >= 3 * shape.max, "phase \(phase)")
        }
        for service in services { try await service.shutDown() }
    }

    @Test("Patient attackers with random costs, gaps and services", arguments: shapes)
    func patience(_ shape: Shape) async throws {
        var random = SeededGenerator.announced()
        let redis = try RedisServer()
        let services = try await Self.services(3, redis, shape.rule)
        for attacker in 0..<6 {
            let seed = random.next()
            var random = SeededGenerator(seed: seed)
            var admitted = Admissions()
            var now: UInt64 = 1_700_000_000_000 + UInt64.random(in: 0..<shape.windowMs, using: &random)
            var retryAfter: UInt64?
            let largest = attacker.isMultiple(of: 2) ? 1 : max(1, shape.max / 2)
            for _ in 0..<120 {
                let count = Int.random(in: 1...4, using: &random)
                let calls = (0..<count).map { _ in
                    let cost = UInt64.random(in: 1...largest, using: &random)
                    return (
                        request: ReferenceModel.Request("a", ["user": "u\(attacker)"], cost: cost), atMs: UInt64?(now)
                    )
                }
                let outcomes = try await services.randomElement(using: &random)!.decide(calls)
                for (call, outcome) in zip(calls, outcomes) {
                    guard case .response(let response) = outcome else {
                        Issue.record("\(outcome)")
                        return
                    }
                    if response.verdict == .allow { admitted.add(atMs: now, weight: call.request.cost) }
                    retryAfter = response.hasRetryAfterMs ? response.retryAfterMs : retryAfter
                }
                switch Int.random(in: 0..<8, using: &random) {
                case 0: break
                case 1: now += 1
                case 2: now += shape.tickMs - now % shape.tickMs
                case 3: now += shape.tickMs - now % shape.tickMs + shape.tickMs - 1
                case 4: now += UInt64.random(in: 0...shape.windowMs, using: &random)
                case 5: now += UInt64.random(in: 0...shape.windowMs / 10, using: &random)
                case 6: now += shape.windowMs
                default:
                    now += retryAfter ?? 0
                    retryAfter = nil
                }
            }
            #expect(admitted.most(within: shape.windowMs) <= shape.max, "seed \(seed)")
            #expect(admitted.total >= shape.max, "seed \(seed)")
        }
        for service in services { try await service.shutDown() }
    }
}
