import SluiceClient
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

@Suite("The entities that come up most")
struct TopTests {
    @Test("A sketch's count is never below the truth, and above it by at most its error")
    func bounds() {
        var random = SeededGenerator.announced()
        for capacity in [1, 2, 16, 256] {
            var sketches = [SpaceSaving(capacity: capacity), SpaceSaving(capacity: capacity)]
            var truth: [[UInt8]: UInt64] = [:]
            var total: UInt64 = 0
            for _ in 0..<20_000 {
                // Few come up often, many seldom.
                let bound = 1 << Int.random(in: 0...10, using: &random)
                let value = Array("u\(Int.random(in: 0..<bound, using: &random))".utf8)
                let weight = UInt64.random(in: 1...3, using: &random)
                sketches[Int.random(in: 0...1, using: &random)].add(value, weight: weight)
                truth[value, default: 0] += weight
                total += weight
            }
            // What an entry took over was the least then, and the least only grows.
            for sketch in sketches { #expect(sketch.entries.allSatisfy { $0.error <= sketch.floor }) }
            let merged = SpaceSaving.merged(sketches, atMost: .max)
            for entry in merged {
                let real = truth[entry.value] ?? 0
                #expect(entry.count >= real)
                #expect(entry.count - entry.error <= real)
            }
            let found = Set(merged.map(\.value))
            for (value, count) in truth where count > 2 * total / UInt64(capacity) {
                #expect(found.contains(value))
            }
            #expect(merged.map(\.count) == merged.map(\.count).sorted(by: >))
        }
    }

    @Test("The service tells who is busiest and who is refused most, by dimension", .timeLimit(.minutes(1)))
    func service() async throws {
        let limits = """
            version: 1
            rules:
              - { name: logins, check: login, per: [user], limits: [ { max: 5, window: 1h } ] }
              - { name: ips, check: login, per: [ip], limits: [ { max: 1000, window: 1h } ] }
            """
        let service = try await ServiceProcess.start(limits: limits, ["--threads", "2"])
        for client in 0..<4 {
            try await service.withClient { connection in
                for number in 0..<(client == 0 ? 20 : 3) {
                    var request = WireCheckRequest(
                        action: "login", entities: [WireEntity("user", "u\(client)"), WireEntity("ip", "10.0.0.1")])
                    if number == 19 { request.mode = .peek }
                    _ = try await connection.check(request)
                }
            }
        }
        func top(_ by: WireTopBy, _ dimension: String = "", count: UInt32 = 0) async throws -> WireTopResponse {
            try await service.withClient("admin") { client in
                try await client.top(
                    WireTopRequest.with {
                        $0.by = by
                        $0.dimension = dimension
                        $0.count = count
                    })
            }
        }
        let busy = try await top(.busy)
        #expect(busy.entries.map(\.entity.dimension) == ["ip", "user", "user", "user", "user"])
        #expect(busy.entries.map(\.count) == [28, 19, 3, 3, 3])
        #expect(busy.entries.allSatisfy { $0.error == 0 })
        #expect(busy.windowMs < 60_000)
        let refused = try await top(.refused, "user", count: 1)
        #expect(refused.entries.map { String(decoding: $0.entity.value, as: UTF8.self) } == ["u0"])
        #expect(refused.entries.map(\.count) == [14])
        await #expect(throws: SluiceClientError.self) { _ = try await top(.busy, count: 101) }
    }

    @Test("A masked value shows neither the value nor, from another process, the same mark")
    func masks() {
        let mask = ValueMask()
        #expect(mask.text(Array("alice@example.com".utf8)).hasPrefix("a…m (#"))
        #expect(!mask.text(Array("short".utf8)).contains("s"))
        #expect(!mask.text([0x1B, 0x5B, 1, 2, 3, 4, 5, 6]).utf8.contains(0x1B))
        #expect(mask.text(Array("alice@example.com".utf8)) == mask.text(Array("alice@example.com".utf8)))
    }
}
