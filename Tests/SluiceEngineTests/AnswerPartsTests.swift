import NIOCore
import SluiceModel
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

@Suite("Answers are encoded as the generated message says")
struct AnswerPartsTests {
    private static func number(_ random: inout SeededGenerator) -> UInt64 {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: 0
        case 1: Caps.exactInteger
        case 2: 1 << UInt64.random(in: 0...52, using: &random)
        default: .random(in: 0...Caps.exactInteger, using: &random)
        }
    }

    private static func rules(_ random: inout SeededGenerator) -> [Rule] {
        (0..<Int.random(in: 1...4, using: &random)).map { index in
            let limits = (0..<Int.random(in: 1...4, using: &random)).map { _ in
                Limit(
                    max: number(&random),
                    windowMs: [1, 127, 128, 60_000, Caps.windowMs].randomElement(using: &random)!,
                    verdict: [.review, .challenge, .deny].randomElement(using: &random)!,
                    text: String(repeating: "é", count: Int.random(in: 0...80, using: &random))
                )
            }
            return Rule(
                name: String(repeating: "r", count: Int.random(in: 1...47, using: &random)) + "\(index)",
                check: [Pattern("a")], per: ["user"], limits: limits, shadow: random.oneIn(3)
            )
        }
    }

    @Test("Random answers, zeros and the largest numbers among them")
    func random() throws {
        var random = SeededGenerator.announced()
        for _ in 0..<2_000 {
            let generation = random.oneIn(5) ? 0 : Self.number(&random)
            let set = RuleSet(rules: Self.rules(&random), generation: generation)
            var answer = Answer()
            answer.clear(basis: Basis.allCases.randomElement(using: &random)!)
            answer.verdict = Verdict.allCases.randomElement(using: &random)!
            var expected = WireCheckResponse()
            expected.generation = generation
            expected.basis = WireBasis(rawValue: Int(answer.basis.rawValue))!
            expected.verdict = WireVerdict(answer.verdict)
            var waits: [UInt64?] = []
            for (number, variant) in set.variants.enumerated() {
                let rule = set.rules[variant.rule]
                for (place, limit) in variant.limits.enumerated() {
                    if random.oneIn(2) {
                        let retryAfter = random.oneIn(3) ? nil : Self.number(&random)
                        let used = Self.number(&random)
                        answer.trips.append(
                            AnswerTrip(variant: number, limit: place, used: used, retryAfterMs: retryAfter))
                        var trip = WireTrip()
                        trip.rule = rule.name
                        trip.windowMs = limit.windowMs
                        trip.max = limit.max
                        trip.used = used
                        if let retryAfter { trip.retryAfterMs = retryAfter }
                        trip.verdict = WireVerdict(limit.verdict)
                        trip.shadow = rule.shadow
                        trip.limit = limit.text
                        expected.trips.append(trip)
                        if !rule.shadow, limit.verdict == answer.verdict { waits.append(retryAfter) }
                    }
                    if random.oneIn(4) {
                        let (left, reset) = (Self.number(&random), Self.number(&random))
                        answer.tightest = AnswerHeadroom(variant: number, limit: place, remaining: left, resetMs: reset)
                        var headroom = WireHeadroom()
                        headroom.rule = rule.name
                        headroom.windowMs = limit.windowMs
                        headroom.max = limit.max
                        headroom.remaining = left
                        headroom.resetMs = reset
                        headroom.limit = limit.text
                        expected.tightest = headroom
                    }
                }
            }
            // The longest of the trips that gave the verdict, none if one of those never passes.
            if !waits.isEmpty, !waits.contains(nil) { expected.retryAfterMs = waits.compactMap { $0 }.max()! }
            var buffer = ByteBuffer()
            let parts = AnswerParts(set)
            buffer.write(atMost: parts.most(of: answer)) { parts.write(answer, in: set, into: &$0) }
            #expect(try WireCheckResponse(payload: buffer) == expected, "seed \(random.seed)")
        }
    }

    @Test("Varints at every width")
    func varints() {
        for shift in 0..<64 {
            for value in [UInt64(1) << shift, UInt64(1) << shift - 1, UInt64.max >> shift] {
                var buffer = ByteBuffer()
                buffer.writeVarint(value)
                #expect(buffer.readableBytes == ByteBuffer.varintSize(value))
                let read = buffer.withUnsafeReadableBytes { bytes in
                    var reader = ProtobufReader(bytes, 0..<bytes.count, depth: 1)
                    return try? reader.varint()
                }
                #expect(read == value)
            }
        }
    }
}
