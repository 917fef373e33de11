import SluiceModel

/// Decodes CheckRequest and CheckBatchRequest where they lie, taking and refusing what the generated decoder takes and
/// refuses (a differential test sees to it), and checking every cap on the way.
struct CheckDecoder {
    /// Whether callers give the time.
    let takesTime: Bool

    /// The latest time a caller may give: the end of the year 9999, in Unix ms. Ticks are kept in six bytes.
    static let latestAtMs: UInt64 = 253_402_300_799_999

    /// Decodes the CheckRequest at `range` of `bytes`.
    ///
    /// - Parameter depth: 1, or 2 for a request of a batch.
    func decode(
        _ bytes: UnsafeRawBufferPointer,
        _ range: Range<Int>,
        depth: Int = 1
    ) throws(InvalidRequest) -> RequestView {
        var request = RequestView(bytes: bytes)
        var reader = ProtobufReader(bytes, range, depth: depth)
        var trace = 0..<0
        var (mode, cost, atMs): (UInt64, UInt64, UInt64) = (0, 0, 0)
        while let (field, type) = try reader.nextTag() {
            switch (field, type) {
            case (1, .length):
                try Self.checkOverridden(request.action, in: bytes)
                request.action = try reader.range()
            case (2, .length):
                guard request.append(try decodeEntity(bytes, try reader.range(), depth: depth + 1)) else {
                    throw InvalidRequest("more than \(Caps.entitiesPerRequest) entities")
                }
            case (3, .varint): cost = try reader.varint() & 0xFFFF_FFFF
            case (4, .varint): request.amount = try reader.varint()
            case (5, .varint): mode = try reader.varint() & 0xFFFF_FFFF
            case (6, .length): request.eventID = try reader.range()
            case (7, .varint): atMs = try reader.varint()
            case (8, .varint): request.ageMs = try reader.varint()
            case (9, .length): trace = try reader.range()
            default: try reader.skip(field, type)
            }
        }
        request.cost = cost == 0 ? 1 : cost
        guard let known = UInt8(exactly: mode).flatMap(Mode.init(rawValue:)) else {
            throw InvalidRequest("unknown mode")
        }
        request.mode = known
        try checkCaps(request, trace: trace)
        if takesTime {
            guard atMs <= Self.latestAtMs else { throw InvalidRequest("at_ms is after the year 9999") }
            request.atMs = atMs
        } else if atMs != 0 {
            throw InvalidRequest("at_ms is taken only by a service started with --clock request")
        }
        return request
    }

    /// Finds the requests of a CheckBatchRequest. Each is yet to be decoded.
    func requests(_ bytes: UnsafeRawBufferPointer) throws(InvalidRequest) -> [Range<Int>] {
        var reader = ProtobufReader(bytes, 0..<bytes.count, depth: 1)
        var ranges: [Range<Int>] = []
        while let (field, type) = try reader.nextTag() {
            if field == 1, type == .length {
                guard ranges.count < Caps.requestsPerBatch else {
                    throw InvalidRequest("more than \(Caps.requestsPerBatch) requests in a batch")
                }
                ranges.append(try reader.range())
            } else {
                try reader.skip(field, type)
            }
        }
        return ranges
    }

    private func decodeEntity(
        _ bytes: UnsafeRawBufferPointer,
        _ range: Range<Int>,
        depth: Int
    ) throws(InvalidRequest) -> RequestView.Entity {
        var reader = ProtobufReader(bytes, range, depth: depth)
        var entity = RequestView.Entity(dimension: 0..<0, value: 0..<0)
        while let (field, type) = try reader.nextTag() {
            switch (field, type) {
            case (1, .length):
                try Self.checkOverridden(entity.dimension, in: bytes)
                entity.dimension = try reader.range()
            case (2, .length): entity.value = try reader.range()
            default: try reader.skip(field, type)
            }
        }
        return entity
    }

    /// Of a string that is there twice the last one counts, but every one must be UTF-8.
    private static func checkOverridden(
        _ earlier: Range<Int>,
        in bytes: UnsafeRawBufferPointer
    ) throws(InvalidRequest) {
        guard earlier.isEmpty || String(validating: bytes[earlier], as: UTF8.self) != nil else { throw .malformed }
    }

    private func checkCaps(
        _ request: RequestView,
        trace: Range<Int>
    ) throws(InvalidRequest) {
        try Self.checkEvent(request)
        guard request.cost <= Caps.cost else { throw InvalidRequest("cost is more than \(Caps.cost)") }
        guard request.amount <= Caps.exactInteger else { throw InvalidRequest("amount is more than 2^53 - 1") }
        guard trace.count <= Caps.traceIDBytes else {
            throw InvalidRequest("trace_id has more than \(Caps.traceIDBytes) bytes")
        }
        guard request.ageMs == 0 || request.mode == .record else {
            throw InvalidRequest("age_ms is taken only with mode RECORD")
        }
    }

    /// The caps of what names an event: action, entities and id; undo holds its own to the same.
    static func checkEvent(_ request: RequestView) throws(InvalidRequest) {
        guard 1...Caps.actionBytes ~= request.action.count else {
            throw InvalidRequest("the action must have 1 to \(Caps.actionBytes) bytes")
        }
        let action = request.slice(request.action)
        guard action.allSatisfy({ $0 < 0x80 }) || String(validating: action, as: UTF8.self) != nil else {
            throw InvalidRequest("the action is not UTF-8")
        }
        for position in 0..<request.entityCount { try checkEntity(request, position) }
        guard !request.namesADimensionTwice else { throw InvalidRequest("the same dimension twice") }
        guard request.eventID.count <= Caps.eventIDBytes else {
            throw InvalidRequest("event_id has more than \(Caps.eventIDBytes) bytes")
        }
    }

    /// The caps of one entity; inspect and reset hold theirs to the same.
    static func checkEntity(_ request: RequestView, _ position: Int) throws(InvalidRequest) {
        let entity = request.entities[position]
        guard 1...Caps.dimensionBytes ~= entity.dimension.count else {
            throw InvalidRequest("a dimension must have 1 to \(Caps.dimensionBytes) bytes")
        }
        guard request.slice(entity.dimension).allSatisfy(isDimensionByte) else {
            throw InvalidRequest("a dimension may have only a-z, 0-9 and _")
        }
        guard entity.value.count <= Caps.valueBytes else {
            throw InvalidRequest("a value may have up to \(Caps.valueBytes) bytes")
        }
    }

    private static func isDimensionByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"): true
        default: false
        }
    }
}
