import Crypto

extension EntityKeyWriter {
    /// Appends the Redis key of an event: `<prefix>1:{<dim>=<value>}:` and 32 hexadecimal digits.
    ///
    /// The slot is that of the request's first dimension in alphabetical order, or of `{*}` where it names no entity. The
    /// digits are the first half of a SHA-256 over mode, action, entities and event id, each behind its length, so that
    /// no two different events share a key.
    ///
    /// - Parameter request: has an event id, and values in normal form.
    public static func writeEventKey(
        prefix: String, _ request: RequestView, mode: Mode, into key: inout [UInt8]
    ) {
        let (order, count) = alphabetical(request)
        key.append(contentsOf: prefix.utf8)
        key.append(contentsOf: "1:{".utf8)
        if count == 0 {
            key.append(UInt8(ascii: "*"))
        } else {
            let first = request.entities[order[0]]
            key.append(contentsOf: request.slice(first.dimension))
            key.append(UInt8(ascii: "="))
            encode(request.slice(first.value), into: &key)
        }
        key.append(UInt8(ascii: "}"))
        appendDigits(of: request, mode: mode, order, count, to: &key)
    }

    /// The key of an event in the slot of one of its entities' hashes, whose key is `entityKey`.
    public static func eventKey(behind entityKey: [UInt8], _ request: RequestView, mode: Mode) -> [UInt8] {
        var key = entityKey
        let (order, count) = alphabetical(request)
        appendDigits(of: request, mode: mode, order, count, to: &key)
        return key
    }

    /// The entities that have a value, by dimension.
    private static func alphabetical(_ request: RequestView) -> (order: InlineArray<16, Int>, count: Int) {
        var order = InlineArray<16, Int>(repeating: 0)
        var count = 0
        for position in 0..<request.entityCount where !request.entities[position].value.isEmpty {
            let name = request.slice(request.entities[position].dimension)
            var place = count
            while place > 0,
                name.lexicographicallyPrecedes(request.slice(request.entities[order[place - 1]].dimension))
            {
                order[place] = order[place - 1]
                place -= 1
            }
            order[place] = position
            count += 1
        }
        return (order, count)
    }

    private static func appendDigits(
        of request: RequestView, mode: Mode, _ order: InlineArray<16, Int>, _ count: Int, to key: inout [UInt8]
    ) {
        key.append(UInt8(ascii: ":"))
        var hash = SHA256()
        func add(_ part: UnsafeRawBufferPointer) {
            withUnsafeBytes(of: UInt32(part.count).bigEndian) { hash.update(bufferPointer: $0) }
            hash.update(bufferPointer: part)
        }
        withUnsafeBytes(of: mode.rawValue) { hash.update(bufferPointer: $0) }
        add(request.slice(request.action))
        add(request.slice(request.eventID))
        for index in 0..<count {
            add(request.slice(request.entities[order[index]].dimension))
            add(request.slice(request.entities[order[index]].value))
        }
        for byte in hash.finalize().prefix(16) {
            key.append(hexDigit(byte >> 4, uppercase: false))
            key.append(hexDigit(byte & 15, uppercase: false))
        }
    }

    /// What a set keeps of a value, and nothing else of it: the first 16 bytes of its SHA-256.
    public static func member(of value: UnsafeRawBufferPointer) -> InlineArray<16, UInt8> {
        var member = InlineArray<16, UInt8>(repeating: 0)
        for (index, byte) in SHA256.hash(data: value).prefix(16).enumerated() { member[index] = byte }
        return member
    }
}
