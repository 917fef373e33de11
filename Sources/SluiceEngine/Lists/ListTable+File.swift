import SluiceModel

extension ListTable {
    /// What the limits file lists: in force with its rules, from one decision to the next.
    init(_ file: LimitsFile) {
        var lines: [Line] = []
        for listing in file.lists {
            for pattern in listing.patterns {
                let value = Array(pattern.text.utf8)
                lines.append(
                    Line(
                        dimension: listing.dimension,
                        value: pattern.isPrefix
                            ? .prefix(value) : Line.Value(value, normalizedBy: file.normalizers[listing.dimension]),
                        kind: listing.kind, untilMs: 0))
            }
        }
        self.init(lines)
    }
}

extension ListTable.Line.Value {
    /// A value that is listed as it stands. In a dimension of addresses an address is the network that its normal form
    /// names, so that one written there in another way is the same one; a network is what it says.
    init(_ value: [UInt8], normalizedBy normalizer: Normalizer?) {
        if case .ip = normalizer, value.contains(UInt8(ascii: "/")),
            let network = try? value.withUnsafeBytes({ try IPNetwork($0) })
        {
            self = .network(network)
            return
        }
        let normal = normalizer?.normalForm(of: value) ?? value
        if case .ip = normalizer, let network = try? normal.withUnsafeBytes({ try IPNetwork($0) }) {
            self = .network(network)
        } else {
            self = .exact(normal)
        }
    }
}

extension Normalizer {
    /// The form in which a value, or in a dimension of addresses a network, stands on a list.
    func listed(_ value: [UInt8]) -> [UInt8] {
        switch ListTable.Line.Value(value, normalizedBy: self) {
        case .network(let network): Array(listText(of: network).utf8)
        case .exact(let value), .prefix(let value): value
        }
    }

    func normalForm(of value: [UInt8]) -> [UInt8] {
        var normal: [UInt8] = []
        return value.withUnsafeBytes { apply($0, into: &normal) } ? normal : value
    }
}
