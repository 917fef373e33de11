import SluiceModel

/// An immutable table of what is listed: exact values, values by how they begin, and networks of addresses.
///
/// A request costs one look-up for each of its entities whose dimension is listed at all, one more for each length that
/// prefixes of that dimension have, and one for each length that its networks have: never more for more entries. No
/// look-up allocates.
struct ListTable: Sendable {
    private struct Dimension: Sendable {
        var name: String
        /// In bytes, longest first.
        var prefixLengths: [Int] = []
        /// In bits, longest first.
        var v4Lengths: [Int] = []
        var v6Lengths: [Int] = []
    }

    private struct NetworkKey: Hashable, Sendable {
        var dimension: UInt32
        var network: IPNetwork
    }

    private struct NetworkEntry: Sendable {
        var kind: ListKind?
        var untilMs: UInt64
    }

    /// Whether nothing is listed, and nothing is said to be gone either.
    private(set) var isEmpty = true
    private var dimensions: [Dimension] = []
    private var dimensionTable = ByteTable([])
    private var exact: ListedValues
    private var prefixes = ListedValues()
    private var networks: [NetworkKey: NetworkEntry] = [:]

    init() {
        exact = ListedValues()
    }

    /// One line of a table in the making.
    struct Line {
        enum Value {
            case exact([UInt8])
            case prefix([UInt8])
            case network(IPNetwork)
        }

        var dimension: String
        var value: Value
        /// Nil: on no list any more, whatever an older table says.
        var kind: ListKind?
        /// Unix ms; 0: for good.
        var untilMs: UInt64
    }

    init(_ lines: some Collection<Line>) {
        exact = ListedValues(expecting: lines.count)
        isEmpty = lines.isEmpty
        var numbers: [String: UInt32] = [:]
        for line in lines {
            let number = numbers[line.dimension] ?? UInt32(dimensions.count)
            if Int(number) == dimensions.count {
                numbers[line.dimension] = number
                dimensions.append(Dimension(name: line.dimension))
            }
            add(line, to: number)
        }
        dimensionTable = ByteTable(dimensions.enumerated().map { (Array($1.name.utf8), $0) })
    }

    private mutating func add(_ line: Line, to number: UInt32) {
        switch line.value {
        case .exact(let value): exact.add(value, dimension: number, kind: line.kind, untilMs: line.untilMs)
        case .prefix(let value):
            prefixes.add(value, dimension: number, kind: line.kind, untilMs: line.untilMs)
            Self.note(value.count, in: &dimensions[Int(number)].prefixLengths)
        case .network(let network):
            let key = NetworkKey(dimension: number, network: network)
            let added = NetworkEntry(kind: line.kind, untilMs: line.untilMs)
            if let known = networks[key],
                ListEffect.strength(known.kind, known.untilMs) >= ListEffect.strength(added.kind, added.untilMs)
            {
                return
            }
            networks[key] = added
            switch network.address.family {
            case .v4: Self.note(network.prefix, in: &dimensions[Int(number)].v4Lengths)
            case .v6: Self.note(network.prefix, in: &dimensions[Int(number)].v6Lengths)
            }
        }
    }

    private static func note(_ length: Int, in lengths: inout [Int]) {
        guard !lengths.contains(length) else { return }
        lengths.append(length)
        lengths.sort(by: >)
    }
}

// MARK: - Looking up

extension ListTable {
    /// One entity of a request as it is looked up.
    struct Probe {
        let dimension: UnsafeRawBufferPointer
        /// In normal form.
        let value: UnsafeRawBufferPointer
        /// As the caller sent it: what networks are matched with.
        let rawValue: UnsafeRawBufferPointer
    }

    /// Adds to `search` every listing that `entity` is on.
    ///
    /// - Parameter newer: a table whose word counts more where it has one for the same value or network.
    func look(for entity: Probe, hiddenBy newer: ListTable? = nil, _ search: inout ListEffect.Search) {
        guard !isEmpty, let number = dimensionTable.find(entity.dimension) else { return }
        let dimension = dimensions[number]
        if let entry = exact.find(entity.value, dimension: UInt32(number)), let kind = entry.kind,
            newer?.saysOf(entity.value, in: entity.dimension) != true
        {
            search.consider(kind, untilMs: entry.untilMs, dimension: dimension.name)
        }
        for length in dimension.prefixLengths where length <= entity.value.count {
            let start = UnsafeRawBufferPointer(rebasing: entity.value[..<length])
            if let entry = prefixes.find(start, dimension: UInt32(number)), let kind = entry.kind {
                search.consider(kind, untilMs: entry.untilMs, dimension: dimension.name)
            }
        }
        guard !networks.isEmpty, !dimension.v4Lengths.isEmpty || !dimension.v6Lengths.isEmpty,
            let address = IPAddress(entity.rawValue)
        else { return }
        for length in address.family == .v4 ? dimension.v4Lengths : dimension.v6Lengths {
            let network = IPNetwork(around: address, prefix: length)
            if let entry = networks[NetworkKey(dimension: UInt32(number), network: network)], let kind = entry.kind,
                newer?.saysOf(network, in: entity.dimension) != true
            {
                search.consider(kind, untilMs: entry.untilMs, dimension: dimension.name)
            }
        }
    }

    private func saysOf(_ value: UnsafeRawBufferPointer, in dimension: UnsafeRawBufferPointer) -> Bool {
        guard !isEmpty, let number = dimensionTable.find(dimension) else { return false }
        return exact.find(value, dimension: UInt32(number)) != nil
    }

    private func saysOf(_ network: IPNetwork, in dimension: UnsafeRawBufferPointer) -> Bool {
        guard !isEmpty, let number = dimensionTable.find(dimension) else { return false }
        return networks[NetworkKey(dimension: UInt32(number), network: network)] != nil
    }
}
