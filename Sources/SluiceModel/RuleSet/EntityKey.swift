import Crypto

/// The Redis key of an entity tuple: `<prefix>1:{<dim>=<value>&...}`, the dimensions sorted; `per: []` is `{*}`.
///
/// Every byte of a value outside `[A-Za-z0-9._@-]` is percent-encoded, so nothing a caller sends can end the hash tag
/// or name another tuple. An encoded value over 96 bytes is replaced by `#` and the value's SHA-256 in hex.
public struct EntityKeyWriter: Sendable {
    public static let longestEncodedValue = 96

    /// What an encoded value takes at most, before it is seen that it is too long.
    private static let mostEncoded = longestEncodedValue + 3

    /// What stands before a value: `sluice1:{user=` or `&user=`.
    private struct Part: Sendable {
        var dimension: Int
        /// In `text`.
        var bytes: Range<Int>
    }

    /// Where a tuple's parts lie in `parts`, and the most bytes that a key of it has.
    private struct Layout: Sendable {
        var parts: Range<Int>
        var most: Int
    }

    private let text: [UInt8]
    private let parts: [Part]
    private let layouts: [Layout]
    /// Of `per: []`.
    private let wholeKey: [UInt8]

    /// - Parameter prefix: the deployment's key prefix, `sluice` unless configured.
    public init(prefix: String, rules: RuleSet) {
        let head = "\(prefix)1:{"
        var (text, parts, layouts): ([UInt8], [Part], [Layout]) = ([], [], [])
        for tuple in rules.tuples {
            let first = parts.count
            for dimension in tuple.dimensions {
                let start = text.count
                text += Array(((parts.count == first ? head : "&") + "\(rules.dimensions[dimension])=").utf8)
                parts.append(Part(dimension: dimension, bytes: start..<text.count))
            }
            let most = parts[first...].reduce(1) { $0 + $1.bytes.count + Self.mostEncoded }
            layouts.append(Layout(parts: first..<parts.count, most: most))
        }
        (self.text, self.parts, self.layouts) = (text, parts, layouts)
        wholeKey = Array("\(head)*}".utf8)
    }

    /// Bytes that a key of `tuple` has at most.
    public func most(of tuple: Int) -> Int { layouts[tuple].most + wholeKey.count }

    /// Appends the key of `tuple` for `request`, which carries every dimension of it: at most `most(of:)` bytes.
    public func write(
        _ tuple: Int,
        _ request: RequestView,
        _ index: DimensionIndex,
        into key: inout ByteCursor
    ) {
        let range = layouts[tuple].parts
        guard !range.isEmpty else { return key.write(wholeKey) }
        text.withUnsafeBytes { text in
            for number in range {
                key.write(UnsafeRawBufferPointer(rebasing: text[parts[number].bytes]))
                if let value = index.value(parts[number].dimension, of: request) { Self.encode(value, into: &key) }
            }
        }
        key.write(byte: UInt8(ascii: "}"))
    }

    /// Appends `value` as it stands in a key.
    public static func encode(_ value: UnsafeRawBufferPointer, into key: inout [UInt8]) {
        key += Array(unsafeUninitializedCapacity: mostEncoded) { room, count in
            let start = UnsafeMutableRawPointer(room.baseAddress!)
            var cursor = ByteCursor(start)
            encode(value, into: &cursor)
            count = cursor.written(since: start)
        }
    }

    private static func encode(_ value: UnsafeRawBufferPointer, into key: inout ByteCursor) {
        let start = key
        for byte in value {
            if isPlain(byte) {
                key.write(byte: byte)
            } else {
                key.write(byte: UInt8(ascii: "%"))
                key.write(byte: hexDigit(byte >> 4, uppercase: true))
                key.write(byte: hexDigit(byte & 15, uppercase: true))
            }
            guard key.written(since: start.place) <= longestEncodedValue else {
                key = start
                return encodeHash(of: value, into: &key)
            }
        }
    }

    private static func encodeHash(of value: UnsafeRawBufferPointer, into key: inout ByteCursor) {
        key.write(byte: UInt8(ascii: "#"))
        for byte in SHA256.hash(data: value) {
            key.write(byte: hexDigit(byte >> 4, uppercase: false))
            key.write(byte: hexDigit(byte & 15, uppercase: false))
        }
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "@"),
            UInt8(ascii: "-"):
            true
        default: false
        }
    }

    static func hexDigit(_ nibble: UInt8, uppercase: Bool) -> UInt8 {
        nibble < 10 ? UInt8(ascii: "0") + nibble : (uppercase ? UInt8(ascii: "A") : UInt8(ascii: "a")) + nibble - 10
    }
}

extension EntityKeyWriter {
    /// The key of exactly the tuple that `request` carries, whether a rule counts per it or not.
    public static func key(prefix: String, of request: RequestView) -> [UInt8] {
        var key = Array("\(prefix)1:{".utf8)
        var entities: [(name: [UInt8], position: Int)] = []
        for position in 0..<request.entityCount {
            entities.append((Array(request.slice(request.entities[position].dimension)), position))
        }
        entities.sort { $0.name.lexicographicallyPrecedes($1.name) }
        if entities.isEmpty { key.append(UInt8(ascii: "*")) }
        for (index, entity) in entities.enumerated() {
            if index > 0 { key.append(UInt8(ascii: "&")) }
            key.append(contentsOf: entity.name)
            key.append(UInt8(ascii: "="))
            encode(request.slice(request.entities[entity.position].value), into: &key)
        }
        key.append(UInt8(ascii: "}"))
        return key
    }
}
