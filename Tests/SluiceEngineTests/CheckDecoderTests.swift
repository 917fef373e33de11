import Foundation
import SluiceModel
import SluiceWire
import SwiftProtobuf
import TestSupport
import Testing

@testable import SluiceEngine

/// The decoder that reads requests where they lie against the generated one.
@Suite("Requests are decoded as the generated decoder does, and then held to their caps")
struct CheckDecoderTests {
    private static let latestAtMs = CheckDecoder.latestAtMs

    /// What the generated message says, as this service takes it; nil where a cap refuses it.
    private struct Accepted: Equatable {
        var action: [UInt8]
        var entities: [[[UInt8]]]
        var cost: UInt64
        var amount: UInt64
        var mode: Mode
        var ageMs: UInt64
        var atMs: UInt64?
        var eventID: [UInt8]

        init?(_ message: WireCheckRequest, takesTime: Bool) {
            guard let mode = Mode(message.mode), 1...64 ~= message.action.utf8.count, message.entities.count <= 16,
                message.cost <= Caps.cost, message.amount <= Caps.exactInteger, message.eventID.count <= 64,
                message.traceID.count <= 32, message.ageMs == 0 || mode == .record,
                takesTime ? message.atMs <= latestAtMs : message.atMs == 0
            else { return nil }
            for entity in message.entities {
                let allowed = "abcdefghijklmnopqrstuvwxyz0123456789_".utf8
                guard 1...32 ~= entity.dimension.utf8.count, entity.dimension.utf8.allSatisfy(allowed.contains),
                    entity.value.count <= 256
                else { return nil }
            }
            guard Set(message.entities.map { Array($0.dimension.utf8) }).count == message.entities.count else {
                return nil
            }
            action = Array(message.action.utf8)
            entities = message.entities.map { [Array($0.dimension.utf8), Array($0.value)] }
            cost = max(UInt64(message.cost), 1)
            amount = message.amount
            eventID = Array(message.eventID)
            self.mode = mode
            ageMs = message.ageMs
            atMs = takesTime ? message.atMs : nil
        }

        init(_ view: RequestView) {
            action = Array(view.slice(view.action))
            entities = (0..<view.entityCount).map {
                [Array(view.slice(view.entities[$0].dimension)), Array(view.slice(view.entities[$0].value))]
            }
            cost = view.cost
            amount = view.amount
            eventID = Array(view.slice(view.eventID))
            mode = view.mode
            ageMs = view.ageMs
            atMs = view.atMs
        }
    }

    private static func decode(_ bytes: [UInt8], takesTime: Bool = false) -> Result<Accepted, InvalidRequest> {
        bytes.withUnsafeBytes { raw in
            Result { () throws(InvalidRequest) in
                Accepted(try CheckDecoder(takesTime: takesTime).decode(raw, 0..<raw.count))
            }
        }
    }

    /// - Returns: whether both agree on `bytes`, and whether they took them.
    private static func compare(_ bytes: [UInt8], takesTime: Bool) -> (agree: Bool, accepted: Bool, malformed: Bool) {
        let message = try? WireCheckRequest(serializedBytes: bytes)
        switch (decode(bytes, takesTime: takesTime), message) {
        case (.success(let mine), let message?):
            return (mine == Accepted(message, takesTime: takesTime), true, false)
        case (.success, nil): return (false, true, false)
        case (.failure(.malformed), let message): return (message == nil, false, true)
        // A cap may be noticed before what is malformed behind it.
        case (.failure, let message):
            return (message.map { Accepted($0, takesTime: takesTime) == nil } ?? true, false, false)
        }
    }

    // MARK: - Bytes

    private static func varint(_ value: UInt64, padded: Int = 0) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
        for _ in 0..<padded {
            bytes[bytes.count - 1] |= 0x80
            bytes.append(0)
        }
        return bytes
    }

    private static func field(_ number: UInt64, _ type: UInt64, _ body: [UInt8]) -> [UInt8] {
        varint(number << 3 | type) + body
    }

    private static func lengthDelimited(_ number: UInt64, _ body: [UInt8]) -> [UInt8] {
        field(number, 2, varint(UInt64(body.count)) + body)
    }

    /// A field that may be anything, most often one of the message's own.
    private static func anyField(_ random: inout SeededGenerator, depth: Int = 0) -> [UInt8] {
        let numbers: [UInt64] = [1, 2, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 16, 1_000, 536_870_911]
        let number = numbers.randomElement(using: &random)!
        let value: UInt64 = [0, 0, 1, 2, 3, 127, 128, 1 << 31, 1 << 32, 1 << 53, .max].randomElement(using: &random)!
        func bytes(_ longest: Int) -> [UInt8] {
            let plain = random.oneIn(3) ? Array("é\u{0}z".utf8) : Array("abc_09".utf8)
            return (0..<Int.random(in: 0...longest, using: &random)).map { _ in
                random.oneIn(60) ? 0xFF : plain.randomElement(using: &random)!
            }
        }
        switch Int.random(in: 0..<12, using: &random) {
        case 0...3:
            return field(number, 0, varint(value, padded: random.oneIn(4) ? Int.random(in: 0...9, using: &random) : 0))
        case 4...5: return lengthDelimited(number, bytes(12))
        case 6...8:
            let dimension = random.oneIn(3) ? bytes(34) : Array("d\(Int.random(in: 0...20, using: &random))".utf8)
            var entity = lengthDelimited(1, dimension) + lengthDelimited(2, bytes(random.oneIn(20) ? 300 : 8))
            if random.oneIn(5), depth < 3 { entity += anyField(&random, depth: depth + 1) }
            return lengthDelimited(2, entity)
        case 9: return field(number, 1, bytes(0) + Array(repeating: 7, count: 8))
        case 10: return field(number, 5, Array(repeating: 7, count: 4))
        default:
            let inner = depth < 3 ? anyField(&random, depth: depth + 1) : []
            return field(number, 3, inner) + field(random.oneIn(10) ? number + 1 : number, 4, [])
        }
    }

    @Test("Random messages and their mutations are taken and refused alike, with equal fields")
    func differential() {
        var random = SeededGenerator.announced()
        var (accepted, malformed, capped) = (0, 0, 0)
        for _ in 0..<30_000 {
            var bytes: [UInt8] = random.oneIn(10) ? [] : Self.lengthDelimited(1, Array("login".utf8))
            for _ in 0..<Int.random(in: 0...6, using: &random) { bytes += Self.anyField(&random) }
            if random.oneIn(3) {
                for _ in 0..<Int.random(in: 1...3, using: &random) where !bytes.isEmpty {
                    let place = Int.random(in: 0..<bytes.count, using: &random)
                    switch Int.random(in: 0..<4, using: &random) {
                    case 0: bytes[place] = .random(in: 0...255, using: &random)
                    case 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                    case 2: bytes.remove(at: place)
                    default: bytes.removeSubrange(place...)
                    }
                }
            }
            let result = Self.compare(bytes, takesTime: random.oneIn(2))
            #expect(result.agree, "seed \(random.seed): \(bytes)")
            guard result.agree else { return }
            if result.accepted { accepted += 1 } else if result.malformed { malformed += 1 } else { capped += 1 }
        }
        #expect(accepted > 3_000 && malformed > 3_000 && capped > 3_000, "\(accepted), \(malformed), \(capped)")
    }

    static let edges: [[UInt8]] = [
        [], field(1, 0, [1]), [0x00], [0x07], [0x0F], field(0, 0, [1]),
        // Tags: the largest field, one beyond, not shortest, in six bytes.
        varint(536_870_911 << 3) + [0], varint(536_870_912 << 3) + [0], varint(UInt64(UInt32.max)) + [0],
        [0x98, 0x80, 0x00, 0x05], [0x98, 0x80, 0x80, 0x80, 0x80, 0x00, 0x05],
        // Varints of ten and eleven bytes, and more bits than fit.
        field(4, 0, Array(repeating: 0xFF, count: 9) + [0x01]), field(4, 0, Array(repeating: 0xFF, count: 9) + [0x7F]),
        field(4, 0, Array(repeating: 0x80, count: 10) + [0]), field(3, 0, varint(1 << 32 | 5)),
        field(5, 0, varint(1 << 32 | 1)), field(5, 0, varint(.max)),
        // Lengths beyond the end.
        field(6, 2, varint(.max)), field(6, 2, varint(1 << 63)), field(6, 2, [5, 1]),
        // Packed where nothing is repeated, and repeated where nothing is.
        lengthDelimited(3, [1, 2, 3]), field(3, 0, [7]) + field(3, 0, [9]),
        lengthDelimited(1, [0x61]) + lengthDelimited(1, [0x62]),
        // Groups: closed, open, closed as another, closed alone.
        field(20, 3, field(20, 4, [])), field(20, 3, []), field(20, 3, field(21, 4, [])), field(20, 4, []),
        lengthDelimited(2, field(1, 3, field(1, 4, []))),
    ]

    @Test("Edges of the encoding", arguments: edges)
    func edge(_ bytes: [UInt8]) {
        for message in [bytes, Self.lengthDelimited(1, [0x61]) + bytes, Self.lengthDelimited(2, bytes)] {
            #expect(Self.compare(message, takesTime: false).agree, "\(message)")
        }
    }

    @Test("Groups nest as deep as the generated decoder lets them", arguments: 94...104)
    func depth(_ depth: Int) {
        let opened = (0..<depth).flatMap { _ in Self.field(20, 3, []) }
        let closed = (0..<depth).flatMap { _ in Self.field(20, 4, []) }
        let own = Self.lengthDelimited(1, [0x61]) + opened + closed
        let ofEntity =
            Self.lengthDelimited(1, [0x61]) + Self.lengthDelimited(2, Self.lengthDelimited(1, [0x64]) + opened + closed)
        #expect(Self.compare(own, takesTime: false).agree)
        #expect(Self.compare(ofEntity, takesTime: false).agree)
        for request in [own, ofEntity] {
            let batch = Self.lengthDelimited(1, request)
            let message = try? WireCheckBatchRequest(serializedBytes: batch)
            let mine = batch.withUnsafeBytes { raw in
                let decoder = CheckDecoder(takesTime: false)
                return try? decoder.requests(raw).map { try decoder.decode(raw, $0, depth: 2).action }
            }
            #expect((mine == nil) == (message == nil))
        }
    }

    // MARK: - Caps

    struct Cap: Sendable, CustomTestStringConvertible {
        var message: String
        var testDescription: String { message }
        var bad: @Sendable (inout WireCheckRequest) -> Void
        /// Just within the cap.
        var good: @Sendable (inout WireCheckRequest) -> Void
    }

    private static func entities(_ count: Int) -> [WireEntity] { (0..<count).map { WireEntity("d\($0)", "v") } }

    static let caps: [Cap] = [
        Cap(message: "the action must have 1 to 64 bytes") {
            $0.action = String(repeating: "a", count: 65)
        } good: {
            $0.action = String(repeating: "a", count: 64)
        },
        Cap(message: "the action must have 1 to 64 bytes") {
            $0.action = ""
        } good: {
            $0.action = "é"
        },
        Cap(message: "more than 16 entities") {
            $0.entities = entities(17)
        } good: {
            $0.entities = entities(16)
        },
        Cap(message: "a dimension must have 1 to 32 bytes") {
            $0.entities = [WireEntity("", "v")]
        } good: {
            $0.entities = [WireEntity(String(repeating: "d", count: 32), "v")]
        },
        Cap(message: "a dimension must have 1 to 32 bytes") {
            $0.entities = [WireEntity(String(repeating: "d", count: 33), "v")]
        } good: {
            $0.entities = [WireEntity("d", "")]
        },
        Cap(message: "a dimension may have only a-z, 0-9 and _") {
            $0.entities = [WireEntity("User", "v")]
        } good: {
            $0.entities = [WireEntity("user_09", "v")]
        },
        Cap(message: "a value may have up to 256 bytes") {
            $0.entities = [WireEntity(dimension: "d", value: [UInt8](repeating: 0, count: 257))]
        } good: {
            $0.entities = [WireEntity(dimension: "d", value: [UInt8](repeating: 255, count: 256))]
        },
        Cap(message: "the same dimension twice") {
            $0.entities = [WireEntity("d", "a"), WireEntity("e", "a"), WireEntity("d", "b")]
        } good: {
            $0.entities = [WireEntity("d", "a"), WireEntity("dd", "a")]
        },
        Cap(message: "cost is more than 2147483647") {
            $0.cost = 1 << 31
        } good: {
            $0.cost = 1 << 31 - 1
        },
        Cap(message: "amount is more than 2^53 - 1") {
            $0.amount = 1 << 53
        } good: {
            $0.amount = 1 << 53 - 1
        },
        Cap(message: "event_id has more than 64 bytes") {
            $0.eventID = Data(count: 65)
        } good: {
            $0.eventID = Data(count: 64)
        },
        Cap(message: "trace_id has more than 32 bytes") {
            $0.traceID = Data(count: 33)
        } good: {
            $0.traceID = Data(count: 32)
        },
        Cap(message: "unknown mode") {
            $0.mode = .UNRECOGNIZED(3)
        } good: {
            $0.mode = .peek
        },
        Cap(message: "age_ms is taken only with mode RECORD") {
            $0.ageMs = 1
        } good: {
            $0.ageMs = 1
            $0.mode = .record
        },
        Cap(message: "at_ms is taken only by a service started with --clock request") {
            $0.atMs = 1
        } good: { _ in
        },
    ]

    @Test("Each cap refuses with its own words, and takes what is just within it", arguments: caps)
    func cap(_ cap: Cap) throws {
        var bad = WireCheckRequest(action: "a", entities: [])
        cap.bad(&bad)
        #expect(Self.decode(try bad.serializedBytes()) == .failure(InvalidRequest(cap.message)))
        var good = WireCheckRequest(action: "a", entities: [])
        cap.good(&good)
        guard case .success = Self.decode(try good.serializedBytes()) else {
            Issue.record("refused what is within the cap")
            return
        }
    }

    @Test("The latest time a caller may give is the end of the year 9999")
    func latestTime() throws {
        var request = WireCheckRequest(action: "a", entities: [])
        request.atMs = 253_402_300_799_999
        guard case .success(let accepted) = Self.decode(try request.serializedBytes(), takesTime: true) else {
            Issue.record("refused")
            return
        }
        #expect(accepted.atMs == 253_402_300_799_999)
        request.atMs += 1
        let refused = Self.decode(try request.serializedBytes(), takesTime: true)
        #expect(refused == .failure(InvalidRequest("at_ms is after the year 9999")))
    }

    @Test("A batch takes 256 requests and no more, and skips what it does not know")
    func batch() throws {
        let decoder = CheckDecoder(takesTime: false)
        func count(_ requests: Int, and more: [UInt8] = []) throws -> Int {
            var message = WireCheckBatchRequest()
            message.requests = Array(repeating: WireCheckRequest(action: "a", entities: []), count: requests)
            let bytes: [UInt8] = try message.serializedBytes() + more
            return try bytes.withUnsafeBytes { try decoder.requests($0).count }
        }
        #expect(try count(0) == 0)
        #expect(try count(256, and: Self.lengthDelimited(7, [1, 2])) == 256)
        #expect(throws: InvalidRequest("more than 256 requests in a batch")) { try count(257) }
        #expect(throws: InvalidRequest.malformed) { try count(1, and: [0x0A, 9]) }
    }
}
