import NIOCore
import SluiceModel
import SluiceWire
import Testing

@testable import sluice

@Suite struct StandardWorkTests {
    @Test("A request of the benchmark names the entities it was told, on its stream")
    func frames() throws {
        var buffer = ByteBuffer()
        let work = StandardWork()
        work.write(stream: 7, entity: { [12, 999_999, 0][$0] }, into: &buffer)
        work.write(stream: 8, entity: { _ in 5 }, into: &buffer)
        for (stream, values) in [(7, ["u000012", "d999999", "m000000"]), (8, ["u000005", "d000005", "m000005"])] {
            let header = try #require(try FrameHeader(reading: buffer))
            try header.validate(from: .client, maxPayload: 65_536)
            #expect(header.stream == UInt32(stream))
            buffer.moveReaderIndex(forwardBy: FrameHeader.size)
            let slice = buffer.readSlice(length: Int(header.length))
            let payload = try #require(slice)
            let request = try WireCheckRequest(payload: payload)
            #expect(request.action == StandardWork.action)
            #expect(request.entities.map(\.dimension) == StandardWork.dimensions)
            #expect(request.entities.map { String(decoding: $0.value, as: UTF8.self) } == values)
        }
        #expect(buffer.readableBytes == 0)
    }

    @Test("Only an answer that says allow, by Redis, passes as one")
    func answers() throws {
        func isAllowed(_ change: (inout WireCheckResponse) -> Void) throws -> Bool {
            var response = WireCheckResponse()
            response.generation = 300
            response.tightest.rule = "users"
            response.tightest.remaining = 99_999
            change(&response)
            return StandardWork.isAllowedByRedis(ByteBuffer(bytes: try response.serializedBytes() as [UInt8]))
        }
        #expect(try isAllowed { _ in })
        #expect(try isAllowed { $0.retryAfterMs = 5 })
        #expect(try !isAllowed { $0.verdict = .review })
        #expect(try !isAllowed { $0.basis = .policy })
        #expect(!StandardWork.isAllowedByRedis(ByteBuffer(bytes: [0x2A, 0x7F])))
        #expect(!StandardWork.isAllowedByRedis(ByteBuffer(bytes: [0x08])))
    }

    @Test("The limits of the benchmark are a valid file of three rules")
    func limits() throws {
        let source = LimitsFile.Source(name: "bench", text: StandardWork.limits())
        let rules = try LimitsFile.parse([source]).file.rules
        #expect(rules.map(\.per) == [["user"], ["device"], ["merchant"]])
        #expect(rules.allSatisfy { $0.limits == [Limit(max: 100_000, windowMs: 60_000, text: $0.limits[0].text)] })
    }

    @Test("Filling names every entity once, and random choices stay in range and differ")
    func choices() {
        var once = EntityChoice(.once(2..<5), seed: 1)
        var seen: [Int] = []
        while let (user, device, merchant) = once.advance() {
            #expect(user == device && device == merchant)
            seen.append(user)
        }
        #expect(seen == [2, 3, 4])

        var random = EntityChoice(.random(below: 10), seed: 1)
        var users: Set<Int> = []
        for _ in 0..<1_000 {
            guard let (user, device, merchant) = random.advance() else { break }
            for entity in [user, device, merchant] { #expect((0..<10).contains(entity)) }
            users.insert(user)
        }
        #expect(users.count == 10)
    }
}
