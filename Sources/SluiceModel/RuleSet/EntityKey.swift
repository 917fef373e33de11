import Crypto

/// The Redis key of an entity tuple: `<prefix>1:{<dim>=<value>&...}`, the dimensions sorted; `per: []` is `{*}`.
///
/// Every byte of a value outside `[A-Za-z0-9._@-]` is percent-encoded, so nothing a caller sends can end the hash tag
/// or name another tuple. An encoded value over 96 bytes is replaced by `#` and the value's SHA-256 in hex.
public struct EntityKeyWriter: Sendable {
    public static let longestEncodedValue = 96

    private let head: [UInt8]
    /// `dim=` of every dimension of the rule set.
    private let names: [[UInt8]]

    /// - Parameter prefix: the deployment's key prefix, `sluice` unless configured.
    public init(prefix: String, rules: RuleSet) {
        head = Array("\(prefix)1:{".utf8)
        names = rules.dimensions.map { Array("\($0)=".utf8) }
    }

    /// Appends the key of `tuple` for `request`, which carries every dimension of it.
    public func write(
        _ tuple: RuleSet.Tuple,
        _ request: RequestView,
        _ index: DimensionIndex,
        into key: inout [UInt8]
    ) {
        key.append(contentsOf: head)
        if tuple.dimensions.isEmpty {
            key.append(UInt8(ascii: "*"))
        }
        for (position, dimension) in tuple.dimensions.enumerated() {
            if position > 0 { key.append(UInt8(ascii: "&")) }
            key.append(contentsOf: names[dimension])
            if let value = index.value(dimension, of: request) { Self.encode(value, into: &key) }
        }
        key.append(UInt8(ascii: "}"))
    }

    /// Appends `value` as it stands in a key.
    public static func encode(_ value: UnsafeRawBufferPointer, into key: inout [UInt8]) {
        let start = key.count
        for byte in value {
            if isPlain(byte) {
                key.append(byte)
            } else {
                key.append(UInt8(ascii: "%"))
                key.append(hexDigit(byte >> 4, uppercase: true))
                key.append(hexDigit(byte & 15, uppercase: true))
            }
        }
        guard key.count - start > longestEncodedValue else { return }
        key.removeSubrange(start...)
        key.append(UInt8(ascii: "#"))
        for byte in SHA256.hash(data: value) {
            key.append(hexDigit(byte >> 4, uppercase: false))
            key.append(hexDigit(byte & 15, uppercase: false))
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
