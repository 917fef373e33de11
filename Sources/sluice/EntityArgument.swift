import ArgumentParser
import SluiceModel
import SluiceWire

/// `DIM=VALUE` on the command line. All behind the first `=` is the value, byte for byte.
struct EntityArgument: ExpressibleByArgument, Hashable {
    var dimension: String
    var value: String

    init?(argument: String) {
        guard let equals = argument.utf8.firstIndex(of: UInt8(ascii: "=")) else { return nil }
        let dimension = argument[..<equals]
        guard Self.isDimension(dimension.utf8) else { return nil }
        self.dimension = String(dimension)
        value = String(argument[argument.utf8.index(after: equals)...])
    }

    /// 1 to 32 bytes of `[a-z0-9_]`.
    static func isDimension(_ bytes: some Collection<UInt8>) -> Bool {
        guard !bytes.isEmpty, bytes.count <= Caps.dimensionBytes else { return false }
        return bytes.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"): true
            default: false
            }
        }
    }

    /// `user=u17`, safe to show.
    var words: String { "\(dimension)=\(value.printable)" }

    /// For commands on what is listed: an empty value, which a check takes for none, names nobody.
    ///
    /// - Throws: `ValidationError`, which ends in status 64.
    func validateValue() throws {
        guard !value.isEmpty else {
            throw ValidationError("Say which \(dimension), such as \(dimension)=u17.")
        }
    }
}

extension [EntityArgument] {
    var wire: [WireEntity] { map { WireEntity($0.dimension, $0.value) } }

    var words: String { map(\.words).joined(separator: " ") }

    /// - Throws: `ValidationError`, which ends in status 64.
    func validate() throws {
        guard count <= Caps.entitiesPerRequest else {
            throw ValidationError("A request can name \(Caps.entitiesPerRequest) entities, these are \(count).")
        }
        var seen: Set<String> = []
        for entity in self where !seen.insert(entity.dimension).inserted {
            throw ValidationError("The dimension '\(entity.dimension)' is given twice.")
        }
    }
}
