import SluiceModel

/// What is listed in the order in which it is told: what operators keep by dimension and value, then the limits file's.
struct ListingCatalogue {
    struct Line: Sendable {
        enum Origin: Sendable {
            case kept(Listing)
            case file(ListKind)
        }

        var dimension: String
        /// A prefix with its star.
        var value: [UInt8]
        var origin: Origin
    }

    struct Page: Sendable {
        var lines: [Line] = []
        /// Nil: that was all.
        var next: ListingQuery.Cursor?
    }

    /// All fields in order; nil: to be made when somebody asks. Who pages through them pays for it once.
    private var sorted: [ListingField]?
    private var counts: [ListKind: Int]?

    /// What is kept has changed.
    mutating func forget() {
        sorted = nil
        counts = nil
    }

    mutating func counts(of kept: [ListingField: Listing]) -> [ListKind: Int] {
        let known = counts ?? kept.values.reduce(into: [:]) { $0[$1.kind, default: 0] += 1 }
        counts = known
        return known
    }

    mutating func page(
        _ query: ListingQuery, kept: [ListingField: Listing], file: LimitsFile, redisTimeMs: UInt64
    ) -> Page {
        var page = Page()
        var last = query.after
        func add(_ line: Line, at cursor: ListingQuery.Cursor) -> Bool {
            guard page.lines.count < query.count else {
                page.next = last
                return false
            }
            page.lines.append(line)
            last = cursor
            return true
        }
        if !query.isPastKept {
            let fields = query.entities.isEmpty ? allFields(of: kept) : query.fields(file.normalizers).sorted()
            for field in fields[query.firstIndex(in: fields)...] {
                guard let listing = kept[field], !listing.isOver(at: redisTimeMs) else { continue }
                let line = Line(dimension: field.dimension, value: Array(field.value), origin: .kept(listing))
                guard add(line, at: .kept(field)) else { return page }
            }
        }
        var number = 0
        for listing in file.lists {
            for pattern in listing.patterns {
                number += 1
                guard query.isToTell(fileLine: number), query.names(pattern, of: listing.dimension, file.normalizers)
                else { continue }
                let value = Array(pattern.spelling.utf8)
                let line = Line(dimension: listing.dimension, value: value, origin: .file(listing.kind))
                guard add(line, at: .file(number)) else { return page }
            }
        }
        return page
    }

    private mutating func allFields(of kept: [ListingField: Listing]) -> [ListingField] {
        let all = sorted ?? kept.keys.sorted()
        sorted = all
        return all
    }
}

extension ListingQuery {
    fileprivate var isPastKept: Bool {
        switch after {
        case .start, .kept: false
        case .file: true
        }
    }

    /// Whether a line of the limits file, numbered from 1, is yet to be told.
    fileprivate func isToTell(fileLine number: Int) -> Bool {
        switch after {
        case .start, .kept: true
        case .file(let told): number > told
        }
    }

    /// Of the first of these sorted fields that is yet to be told.
    fileprivate func firstIndex(in fields: [ListingField]) -> Int {
        guard case .kept(let told) = after else { return 0 }
        var (low, high) = (0, fields.count)
        while low < high {
            let middle = (low + high) / 2
            if fields[middle] <= told { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Every field that could list one of the entities: as it is written, in normal form, and each network around it.
    fileprivate func fields(_ normalizers: [String: Normalizer]) -> Set<ListingField> {
        var fields: Set<ListingField> = []
        for (dimension, value) in entities {
            fields.insert(ListingField(dimension: dimension, value: value))
            guard let normalizer = normalizers[dimension] else { continue }
            fields.insert(ListingField(dimension: dimension, value: normalizer.listed(value)))
            guard case .ip = normalizer, let address = value.withUnsafeBytes({ IPAddress($0) }) else { continue }
            for prefix in 0...address.family.bits {
                let network = "\(IPNetwork(around: address, prefix: prefix))"
                fields.insert(ListingField(dimension: dimension, value: network.utf8))
            }
        }
        return fields
    }

    /// Whether the limits file's pattern holds one of the entities.
    fileprivate func names(_ pattern: Pattern, of dimension: String, _ normalizers: [String: Normalizer]) -> Bool {
        guard !entities.isEmpty else { return true }
        let normalizer = normalizers[dimension]
        return entities.contains { entity in
            guard entity.dimension == dimension else { return false }
            let normal = normalizer?.normalForm(of: entity.value) ?? entity.value
            if pattern.isPrefix { return normal.starts(with: pattern.text.utf8) }
            switch ListTable.Line.Value(Array(pattern.text.utf8), normalizedBy: normalizer) {
            case .network(let network):
                return entity.value.withUnsafeBytes { IPAddress($0) }.map(network.contains)
                    ?? normal.elementsEqual(pattern.text.utf8)
            case .exact(let value), .prefix(let value): return value == normal
            }
        }
    }
}
