import SluiceModel
import SluiceWire

/// Which listings are asked for, and from where on.
struct ListingQuery: Sendable {
    /// Where a page begins: behind the one that was last told.
    enum Cursor: Hashable, Sendable {
        case start
        case kept(ListingField)
        /// Lines of the limits file that have been told.
        case file(Int)
    }

    /// As the caller wrote them; empty: all there are.
    var entities: [(dimension: String, value: [UInt8])]
    var after: Cursor
    var count: Int

    init(_ request: WireListingsRequest) throws(InvalidRequest) {
        _ = try EntityList(request.entities)
        guard request.count <= Caps.listingsPerPage else {
            throw InvalidRequest("count is at most \(Caps.listingsPerPage)")
        }
        guard let cursor = Cursor(request.after) else {
            throw InvalidRequest("after is not the next of another page")
        }
        entities = request.entities.map { ($0.dimension, Array($0.value)) }
        after = cursor
        count = request.count == 0 ? 100 : Int(request.count)
    }
}

extension ListingQuery.Cursor {
    /// Reads what `text` wrote.
    init?(_ text: String) {
        let digits = text.dropFirst().utf8
        switch text.utf8.first {
        case nil: self = .start
        case UInt8(ascii: "k"):
            guard digits.count <= 2 * (Caps.dimensionBytes + 1 + Caps.valueBytes), let bytes = Self.bytes(hex: digits)
            else { return nil }
            self = .kept(ListingField(bytes))
        case UInt8(ascii: "f"):
            guard digits.count <= 9, let line = Int(text.dropFirst()), line >= 0 else { return nil }
            self = .file(line)
        default: return nil
        }
    }

    var text: String {
        switch self {
        case .start: ""
        case .kept(let field):
            field.bytes.reduce(into: "k") { text, byte in
                text += (byte < 0x10 ? "0" : "") + String(byte, radix: 16)
            }
        case .file(let line): "f\(line)"
        }
    }

    private static func bytes(hex digits: Substring.UTF8View) -> [UInt8]? {
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        var rest = digits[...]
        while !rest.isEmpty {
            guard let byte = UInt8(String(rest.prefix(2)) ?? "", radix: 16) else { return nil }
            bytes.append(byte)
            rest = rest.dropFirst(2)
        }
        return bytes
    }
}
