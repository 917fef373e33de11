import NIOCore
import SluiceWire

/// The request that budgets are measured with: one action, three entities, one limit on each, nothing refused.
///
/// It is encoded once; a request then only has its stream and its entities written over.
struct StandardWork {
    static let action = "checkout"
    static let dimensions = ["user", "device", "merchant"]
    /// Entities are numbered with this many digits.
    private static let digits = 6
    static let mostEntities = 1_000_000

    static func limits() -> String {
        dimensions.reduce(into: "version: 1\nrules:\n") { text, dimension in
            text += """
                  - name: \(dimension)s
                    check: \(action)
                    per: [\(dimension)]
                    limits: [ { max: 100_000, window: 1m } ]

                """
        }
    }

    private let frame: [UInt8]
    /// Where each entity's digits lie in `frame`.
    private let offsets: [Int]

    init() {
        let placeholders = Self.dimensions.indices.map { String(repeating: "\($0)", count: Self.digits) }
        let entities = zip(Self.dimensions, placeholders).map { WireEntity($0, "\($0.prefix(1))\($1)") }
        let request = WireCheckRequest(action: Self.action, entities: entities)
        // The service's longest deadline: a benchmark measures decisions, not fallbacks.
        let header = FrameHeader(kind: .request, method: .check, micros: 1_000_000)
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
    ///
    /// - Parameter entity: the number of the entity of each dimension, below `mostEntities`.
    func write(stream: UInt32, entity: (Int) -> Int, into buffer: inout ByteBuffer) {
        let start = buffer.writerIndex
        buffer.writeBytes(frame)
        buffer.setInteger(stream, at: start + 8)
        for (dimension, offset) in offsets.enumerated() {
            var number = entity(dimension)
            for digit in (0..<Self.digits).reversed() {
                buffer.setInteger(UInt8(ascii: "0") + UInt8(number % 10), at: start + offset + digit)
                number /= 10
            }
        }
    }

    /// Whether the payload of an answer says allow, decided by Redis: neither `verdict` nor `basis` is set. Only looked
    /// at, not decoded, so that the load generator leaves the processor to what it measures.
    static func isAllowedByRedis(_ payload: ByteBuffer) -> Bool {
        var payload = payload
        while let tag: UInt8 = payload.readInteger() {
            let field = tag >> 3
            switch tag & 7 {
            case 0:
                guard let value = readVarint(from: &payload) else { return false }
                if (field == 1 || field == 3) && value != 0 { return false }
            case 2:
                guard let length = readVarint(from: &payload) else { return false }
                guard length <= UInt64(payload.readableBytes) else { return false }
                payload.moveReaderIndex(forwardBy: Int(length))
            default:
                return false
            }
        }
        return true
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

/// Which entities the next request names.
struct EntityChoice {
    enum Order {
        /// Each of these once, the same number in every dimension, then no more.
        case once(Range<Int>)
        /// Any of so many, each dimension on its own, uniformly.
        case random(below: Int)
    }

    private var order: Order
    private var state: UInt64

    init(_ order: Order, seed: UInt64) {
        self.order = order
        state = seed
    }

    /// The entities of the next request; nil when there is none.
    mutating func advance() -> (Int, Int, Int)? {
        switch order {
        case .once(let rest):
            guard let next = rest.first else { return nil }
            order = .once(rest.dropFirst())
            return (next, next, next)
        case .random(let count):
            return (next(below: count), next(below: count), next(below: count))
        }
    }

    /// SplitMix64 (Steele, Lea, Flood, 2014): a few instructions, and good enough to choose entities by.
    private mutating func next(below count: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        mixed ^= mixed >> 31
        return Int(mixed.multipliedFullWidth(by: UInt64(count)).high)
    }
}
