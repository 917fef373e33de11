import NIOCore
import SluiceWire

/// The requests that budgets are measured with: one action, three entities.
///
/// Each kind is encoded once; a request then only has its stream and its entities written over.
struct StandardWork {
    /// What a request meets.
    enum Kind: Int, CaseIterable, Sendable {
        /// A limit on each entity that nothing reaches.
        case allowed
        /// A small limit on the user, once its few requests of an hour are used up.
        case refused
        /// Three small limits on the user.
        case threeLimits

        var action: String {
            switch self {
            case .allowed: "checkout"
            case .refused: "redeem"
            case .threeLimits: "enter"
            }
        }

        /// The user's value begins with it, so that no kind's counters share an entity with another's.
        var userPrefix: String {
            switch self {
            case .allowed: "u"
            case .refused: "r"
            case .threeLimits: "t"
            }
        }
    }

    static let dimensions = ["user", "device", "merchant"]
    /// Entities are numbered with this many digits: as many as redis-benchmark fills in for `__rand_int__`.
    static let digits = 12
    static let mostEntities = 1_000_000
    /// How often a user of `Kind.refused` passes in an hour.
    static let refusedAfter = 5

    /// - Parameter roomy: with room for any skew: the most popular entities must not reach their limit either.
    static func limits(roomy: Bool = false) -> String {
        let most = roomy ? "4_000_000_000" : "100_000"
        func rule(_ name: String, _ kind: Kind, _ dimension: String, _ limits: String...) -> String {
            "  - { name: \(name), check: \(kind.action), per: [\(dimension)], limits: [\(limits.joined(separator: ", "))] }\n"
        }
        var text = "version: 1\nrules:\n"
        for dimension in dimensions {
            text += rule("\(dimension)s", .allowed, dimension, "{ max: \(most), window: 1m }")
        }
        text += rule("users-refused", .refused, "user", "{ max: \(refusedAfter), window: 1h }")
        for dimension in dimensions.dropFirst() {
            text += rule("\(dimension)s-refused", .refused, dimension, "{ max: \(most), window: 1m }")
        }
        return text
            + rule(
                "users-three", .threeLimits, "user", "{ max: 20, window: 1m }", "{ max: 50, window: 1h }",
                "{ max: 60, window: 1d }")
    }

    private let frame: [UInt8]
    /// Where each entity's digits lie in `frame`.
    private let offsets: [Int]

    init(_ kind: Kind) {
        let placeholders = Self.dimensions.indices.map { String(repeating: "\($0)", count: Self.digits) }
        let prefixes = [kind.userPrefix] + Self.dimensions.dropFirst().map { String($0.prefix(1)) }
        let entities = Self.dimensions.indices.map { WireEntity(Self.dimensions[$0], prefixes[$0] + placeholders[$0]) }
        let request = WireCheckRequest(action: kind.action, entities: entities)
        // A minute, which the service cuts to its longest deadline: a benchmark measures decisions, not fallbacks.
        let header = FrameHeader(kind: .request, method: .check, micros: 60_000_000)
        var buffer = ByteBuffer()
        // A message of this kind and length can be encoded.
        try! buffer.writeFrame(header, message: request)
        let frame = Array(buffer.readableBytesView)
        self.frame = frame
        offsets = placeholders.map { placeholder in
            let bytes = Array(placeholder.utf8)
            return frame.indices.first { frame[$0...].starts(with: bytes) }!
        }
    }

    /// Appends the frame of a request.
    func write(stream: UInt32, _ entities: EntityChoice.Entities, into buffer: inout ByteBuffer) {
        let start = buffer.writerIndex
        buffer.writeBytes(frame)
        buffer.setInteger(stream, at: start + 8)
        buffer.withUnsafeMutableReadableBytes { bytes in
            let base = bytes.count - frame.count
            write(entities.user, at: base + offsets[0], into: bytes)
            write(entities.device, at: base + offsets[1], into: bytes)
            write(entities.merchant, at: base + offsets[2], into: bytes)
        }
    }

    private func write(_ number: Int, at offset: Int, into bytes: UnsafeMutableRawBufferPointer) {
        var rest = number
        for digit in (0..<Self.digits).reversed() {
            bytes[offset + digit] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
    }

    /// What an answer says that matters here.
    struct Answer: Equatable {
        var verdict: UInt64 = 0
        var basis: UInt64 = 0

        var isAllowed: Bool { verdict == 0 }
        /// By a limit or a block, whether Redis said so or the service remembered it.
        var isRefused: Bool { verdict == 3 }
        var isDecided: Bool { basis == 0 || basis == 1 }
        var isFromCache: Bool { basis == 1 }
    }

    /// Looks at the payload of an answer, and does not decode it, so that the load generator leaves the processor to
    /// what it measures.
    ///
    /// - Returns: nil where it is not the payload of an answer.
    static func answer(_ payload: ByteBuffer) -> Answer? {
        var payload = payload
        var answer = Answer()
        while let tag: UInt8 = payload.readInteger() {
            let field = tag >> 3
            switch tag & 7 {
            case 0:
                guard let value = readVarint(from: &payload) else { return nil }
                if field == 1 { answer.verdict = value }
                if field == 3 { answer.basis = value }
            case 2:
                guard let length = readVarint(from: &payload) else { return nil }
                guard length <= UInt64(payload.readableBytes) else { return nil }
                payload.moveReaderIndex(forwardBy: Int(length))
            default:
                return nil
            }
        }
        return answer
    }

    private static func readVarint(from payload: inout ByteBuffer) -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard let byte: UInt8 = payload.readInteger() else { return nil }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }
}
