import Glibc
import NIOCore
import SluiceModel
import SluiceWire
import Testing

@testable import sluice

@Suite struct StandardWorkTests {
    @Test(
        "A request of the benchmark names the entities it was told, on its stream",
        arguments: [
            (StandardWork.Kind.allowed, "checkout", "u"), (.refused, "redeem", "r"), (.threeLimits, "enter", "t"),
        ])
    func frames(kind: StandardWork.Kind, action: String, prefix: String) throws {
        var buffer = ByteBuffer()
        let work = StandardWork(kind)
        work.write(stream: 7, .init(user: 12, device: 999_999, merchant: 0), into: &buffer)
        work.write(stream: 8, .init(user: 5, device: 5, merchant: 5), into: &buffer)
        let values = [
            (7, ["\(prefix)000000000012", "d000000999999", "m000000000000"]),
            (8, ["\(prefix)000000000005", "d000000000005", "m000000000005"]),
        ]
        for (stream, values) in values {
            let header = try #require(try FrameHeader(reading: buffer))
            try header.validate(from: .client, maxPayload: 65_536)
            #expect(header.stream == UInt32(stream))
            buffer.moveReaderIndex(forwardBy: FrameHeader.size)
            let slice = buffer.readSlice(length: Int(header.length))
            let payload = try #require(slice)
            let request = try WireCheckRequest(payload: payload)
            #expect(request.action == action)
            #expect(request.entities.map(\.dimension) == StandardWork.dimensions)
            #expect(request.entities.map { String(decoding: $0.value, as: UTF8.self) } == values)
        }
        #expect(buffer.readableBytes == 0)
    }

    @Test("Verdict and basis are found in an answer, whatever else it says")
    func answers() throws {
        func answer(_ change: (inout WireCheckResponse) -> Void) throws -> StandardWork.Answer? {
            var response = WireCheckResponse()
            response.generation = 300
            response.tightest.rule = "users"
            response.tightest.remaining = 99_999
            change(&response)
            return StandardWork.answer(ByteBuffer(bytes: try response.serializedBytes() as [UInt8]))
        }
        #expect(try answer { _ in } == .init(verdict: 0, basis: 0))
        #expect(try answer { $0.retryAfterMs = 5 }?.isAllowed == true)
        #expect(try answer { $0.verdict = .review }?.isAllowed == false)
        let refusal = try answer { ($0.verdict, $0.basis) = (.deny, .cache) }
        #expect(refusal?.isRefused == true && refusal?.isFromCache == true && refusal?.isDecided == true)
        #expect(try answer { $0.basis = .policy }?.isDecided == false)
        #expect(try answer { $0.basis = .local }?.isDecided == false)
        #expect(StandardWork.answer(ByteBuffer(bytes: [0x2A, 0x7F])) == nil)
        #expect(StandardWork.answer(ByteBuffer(bytes: [0x08])) == nil)
    }

    @Test(
        "The limits of the benchmark are a valid file: three rules that hold, three that refuse, and one of three limits"
    )
    func limits() throws {
        func rules(roomy: Bool) throws -> [Rule] {
            let source = LimitsFile.Source(name: "bench", text: StandardWork.limits(roomy: roomy))
            return try LimitsFile.parse([source]).file.rules
        }
        let standard = try rules(roomy: false)
        #expect(
            standard.map(\.per) == [["user"], ["device"], ["merchant"], ["user"], ["device"], ["merchant"], ["user"]])
        #expect(standard.prefix(3).allSatisfy { $0.limits.map(\.max) == [100_000] && $0.limits[0].windowMs == 60_000 })
        #expect(standard[3].limits.map(\.max) == [UInt64(StandardWork.refusedAfter)])
        #expect(standard[6].limits.count == 3)
        #expect(try rules(roomy: true).prefix(3).allSatisfy { $0.limits[0].max > 1_000_000_000 })
    }

    @Test("Filling names every entity once, and random choices stay in range and differ")
    func choices() {
        var once = EntityChoice(.once(2..<5), kind: .threeLimits, seed: 1)
        var seen: [Int] = []
        while let (kind, entities) = once.advance() {
            #expect(kind == .threeLimits)
            #expect(entities == .init(user: entities.user, device: entities.user, merchant: entities.user))
            seen.append(entities.user)
        }
        #expect(seen == [2, 3, 4])

        var random = EntityChoice(.random(below: 10), requests: 1_000, seed: 1)
        var users: Set<Int> = []
        var count = 0
        while let (_, entities) = random.advance() {
            for entity in [entities.user, entities.device, entities.merchant] { #expect((0..<10).contains(entity)) }
            users.insert(entities.user)
            count += 1
        }
        #expect(count == 1_000)
        #expect(users.count == 10)
    }

    @Test("As many requests as told are to be refused, and they name few users")
    func refusals() {
        var choice = EntityChoice(.random(below: 1_000), refused: 0.3, seed: 3)
        var refused: [EntityChoice.Entities] = []
        for _ in 0..<10_000 {
            guard let (kind, entities) = choice.advance() else { break }
            if kind == .refused { refused.append(entities) }
        }
        // Five standard deviations.
        #expect(abs(refused.count - 3_000) < 230)
        #expect(Set(refused.map(\.user)) == Set(0..<EntityChoice.refusedUsers))
        #expect(refused.allSatisfy { $0.user == $0.device && $0.user == $0.merchant })
    }

    @Test("Zipf's ranks come as often as the law says", arguments: [0.2, 0.99, 1, 1.3, 3])
    func zipf(exponent: Double) {
        let (count, draws) = (200, 200_000)
        let sampler = ZipfSampler(count: count, exponent: exponent)
        var numbers = SplitMix64(state: 11)
        var seen = Array(repeating: 0.0, count: count + 1)
        for _ in 0..<draws { seen[sampler.next(using: &numbers)] += 1 }
        let weights = (1...count).map { pow(Double($0), -exponent) }
        let sum = weights.reduce(0, +)
        #expect(seen[0] == 0)
        for rank in 1...count {
            let expected = weights[rank - 1] / sum * Double(draws)
            // Six standard deviations: one in a thousand million.
            #expect(abs(seen[rank] - expected) < 6 * expected.squareRoot() + 1, "rank \(rank)")
        }
    }

    @Test("A call on a line of MONITOR is read byte by byte")
    func monitor() {
        let line = #"1700000000.5 [0 unix:/tmp/x] "evalsha" "ab\"c" "\x00\x1f\n\\""#
        #expect(ScriptAlone.unquoted(line) == [Array("evalsha".utf8), Array("ab\"c".utf8), [0, 0x1F, 10, 0x5C]])
    }
}
