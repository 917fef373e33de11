/// Reads protobuf's wire format in place: tags, varints and the ranges of what is length-delimited.
///
/// It follows the "Encoding" page of the protobuf documentation: unknown fields are skipped, groups included, up to a
/// depth of 100; nothing traps on any input.
struct ProtobufReader {
    enum WireType: UInt8 {
        case varint = 0
        case fixed64 = 1
        case length = 2
        case startGroup = 3
        case endGroup = 4
        case fixed32 = 5
    }

    /// Messages and groups in one another, as generated decoders count them.
    private static let deepest = 100
    /// A tag of a message has at most this many bytes; one inside a group of unknown fields may be padded.
    private static let longestTag = 5

    private let depth: Int
    private let bytes: UnsafeRawBufferPointer
    private(set) var offset: Int
    private let end: Int

    /// - Parameter depth: of the message that lies at `range`; 1 is a payload's own.
    init(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, depth: Int) {
        self.depth = depth
        self.bytes = bytes
        offset = range.lowerBound
        end = range.upperBound
    }

    /// The next field's number and wire type; nil at the end.
    mutating func nextTag() throws(InvalidRequest) -> (field: UInt32, type: WireType)? {
        // Nearly every tag there is has one byte.
        if offset < end, 8..<0x80 ~= bytes[offset], let type = WireType(rawValue: bytes[offset] & 7) {
            defer { offset += 1 }
            return (UInt32(bytes[offset] >> 3), type)
        }
        let start = offset
        let tag = try anyTag()
        guard offset - start <= Self.longestTag else { throw .malformed }
        return tag
    }

    private mutating func anyTag() throws(InvalidRequest) -> (field: UInt32, type: WireType)? {
        guard offset < end else { return nil }
        let tag = try varint()
        guard tag <= UInt64(UInt32.max), tag >> 3 > 0, let type = WireType(rawValue: UInt8(tag & 7)) else {
            throw .malformed
        }
        return (UInt32(tag >> 3), type)
    }

    @inline(__always)
    mutating func varint() throws(InvalidRequest) -> UInt64 {
        if offset < end, bytes[offset] < 0x80 {
            defer { offset += 1 }
            return UInt64(bytes[offset])
        }
        return try longVarint()
    }

    private mutating func longVarint() throws(InvalidRequest) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while offset < end, shift < 70 {
            let byte = bytes[offset]
            offset += 1
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw .malformed
    }

    /// Where a length-delimited field's content lies.
    mutating func range() throws(InvalidRequest) -> Range<Int> {
        let count = try varint()
        guard count <= UInt64(end - offset) else { throw .malformed }
        let range = offset..<offset + Int(count)
        offset = range.upperBound
        return range
    }

    mutating func skip(_ field: UInt32, _ type: WireType) throws(InvalidRequest) {
        try skip(field, type, depth: depth)
    }

    private mutating func skip(_ field: UInt32, _ type: WireType, depth: Int) throws(InvalidRequest) {
        switch type {
        case .varint: _ = try varint()
        case .fixed64: try skip(bytes: 8)
        case .fixed32: try skip(bytes: 4)
        case .length: _ = try range()
        case .startGroup:
            guard depth < Self.deepest else { throw .malformed }
            while true {
                guard let (inner, type) = try anyTag() else { throw .malformed }
                if type == .endGroup {
                    guard inner == field else { throw .malformed }
                    return
                }
                try skip(inner, type, depth: depth + 1)
            }
        case .endGroup: throw .malformed
        }
    }

    private mutating func skip(bytes count: Int) throws(InvalidRequest) {
        guard end - offset >= count else { throw .malformed }
        offset += count
    }
}
