/// What the files say of dimensions: how their values are normalised.
struct DimensionDeclarations {
    private(set) var normalizers: [String: Normalizer] = [:]
    private var positions: [String: SourcePosition] = [:]

    /// Where it was declared first, if it was.
    mutating func add(_ dimension: String, _ normalizer: Normalizer?, at position: SourcePosition) -> SourcePosition? {
        if let first = positions[dimension] { return first }
        positions[dimension] = position
        normalizers[dimension] = normalizer
        return nil
    }

    /// Whether it was declared in a way that could not be read.
    func isUnreadable(_ dimension: String) -> Bool {
        positions[dimension] != nil && normalizers[dimension] == nil
    }
}

extension LimitsReader {
    private enum DeclarationKey: String, CaseIterable {
        case type
        case v4Prefix = "v4_prefix"
        case v6Prefix = "v6_prefix"
    }

    private enum DimensionType: String, CaseIterable {
        case lower, ip
    }

    func readDeclarations(_ node: YAMLNode) {
        guard
            let entries = entries(
                of: node, keys: NoKey.self, what: "dimensions", hint: "; write { email: lower, ip: ip }",
                admitting: { _ in true })
        else { return }
        for entry in entries where checkDimension(entry.name, at: entry.position, declares: true) {
            let normalizer = readNormalizer(entry.value)
            if let first = declarations.add(entry.name, normalizer, at: entry.position),
                first.file != entry.position.file
            {
                let place = report.place(first, seenFrom: entry.position)
                report.error(
                    at: entry.position,
                    "dimension \"\(entry.name)\" is already declared in \(place); one declaration holds for all files "
                        + "together")
            }
        }
    }

    /// `lower`, `ip`, or a mapping that says more of a type.
    private func readNormalizer(_ node: YAMLNode) -> Normalizer? {
        if case .scalar = node.content { return type(node).map { Self.normalizer($0, [:]) } }
        guard
            let entries = entries(
                of: node, keys: DeclarationKey.self, what: "a dimension", hint: "; write lower, ip or { type: ip }")
        else { return nil }
        var dimensionType: DimensionType?
        var prefixes: [DeclarationKey: Int] = [:]
        for entry in entries {
            switch entry.key {
            case .type: dimensionType = type(entry.value)
            case .v4Prefix: prefixes[.v4Prefix] = prefix(entry.value, .v4Prefix, of: .v4)
            case .v6Prefix: prefixes[.v6Prefix] = prefix(entry.value, .v6Prefix, of: .v6)
            case nil: break
            }
        }
        let keys = Set(entries.compactMap(\.key))
        guard keys.contains(.type) else {
            if node.isComplete {
                report.error(at: node.position, "this dimension has no \"type\", as in \"{ type: ip, v6_prefix: 64 }\"")
            }
            return nil
        }
        if dimensionType == .lower, let entry = entries.first(where: { $0.key == .v4Prefix || $0.key == .v6Prefix }) {
            report.error(at: entry.position, "\"\(entry.name)\" is for \"type: ip\" alone; leave it out")
        }
        return dimensionType.map { Self.normalizer($0, prefixes) }
    }

    private static func normalizer(_ type: DimensionType, _ prefixes: [DeclarationKey: Int]) -> Normalizer {
        switch type {
        case .lower:
            .lower
        case .ip:
            .ip(
                v4Prefix: prefixes[.v4Prefix] ?? IPAddress.Family.v4.bits,
                v6Prefix: prefixes[.v6Prefix] ?? IPAddress.Family.v6.bits)
        }
    }

    private func type(_ node: YAMLNode) -> DimensionType? {
        word(node, name: "type", among: DimensionType.allCases.map(\.rawValue)).flatMap(DimensionType.init)
    }

    private func prefix(_ node: YAMLNode, _ key: DeclarationKey, of family: IPAddress.Family) -> Int? {
        integer(node, name: key.rawValue, in: 1...UInt64(family.bits)).map { Int($0) }
    }
}
