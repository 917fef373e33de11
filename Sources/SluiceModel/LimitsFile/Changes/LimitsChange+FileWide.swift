extension LimitsChange {
    /// What became of that which holds for all rules.
    static func fileWide(from old: LimitsFile, to new: LimitsFile) -> [LimitsChange] {
        var changes: [LimitsChange] = []
        for name in Set(old.normalizers.keys).union(new.normalizers.keys).sorted() {
            let (before, after) = (words(old.normalizers[name]), words(new.normalizers[name]))
            guard before != after else { continue }
            changes.append(
                LimitsChange(
                    .dimension, nil, "dimension \(name): \(before) → \(after)", from: before, to: after, .newCounters))
        }
        changes += lists(from: old, to: new)
        if old.eventMemoryMs != new.eventMemoryMs {
            let (before, after) = (DurationText.spell(ms: old.eventMemoryMs), DurationText.spell(ms: new.eventMemoryMs))
            changes.append(
                LimitsChange(
                    .eventMemory, nil, "event_memory \(before) → \(after)", from: before, to: after, .nextEvent))
        }
        return changes
    }

    /// Values that came to a list or went from one, in one line for each list and dimension.
    private static func lists(from old: LimitsFile, to new: LimitsFile) -> [LimitsChange] {
        let (before, after) = (Listed(old), Listed(new))
        return after.order.flatMap { place -> [LimitsChange] in
            let added = after.added(to: before, place)
            guard !added.isEmpty else { return [] }
            let words = Words.patterns(added)
            return [LimitsChange(.listed, nil, "list \(place.words): new \(words)", to: words, .atOnce)]
        }
            + before.order.flatMap { place -> [LimitsChange] in
                let removed = before.added(to: after, place)
                guard !removed.isEmpty else { return [] }
                let words = Words.patterns(removed)
                return [LimitsChange(.unlisted, nil, "list \(place.words): without \(words)", from: words, .atOnce)]
            }
    }

    private static func words(_ normalizer: Normalizer?) -> String {
        switch normalizer {
        case nil: return "as it is sent"
        case .lower: return "lower"
        case .ip(let v4Prefix, let v6Prefix):
            var words = "ip"
            if v4Prefix < IPAddress.Family.v4.bits { words += ", v4_prefix \(v4Prefix)" }
            if v6Prefix < IPAddress.Family.v6.bits { words += ", v6_prefix \(v6Prefix)" }
            return words
        }
    }
}

/// What a file has on its lists.
private struct Listed {
    struct Place: Hashable {
        var kind: ListKind
        var dimension: String

        var words: String { "\(kind.name) \(dimension)" }
    }

    /// In the order of the file.
    private(set) var order: [Place] = []
    private var patterns: [Place: [Pattern]] = [:]
    private var sets: [Place: Set<Pattern>] = [:]

    init(_ file: LimitsFile) {
        for listing in file.lists {
            let place = Place(kind: listing.kind, dimension: listing.dimension)
            if patterns[place] == nil { order.append(place) }
            patterns[place, default: []] += listing.patterns
            sets[place, default: []].formUnion(listing.patterns)
        }
    }

    /// What stands here at `place` and not in `other`.
    func added(to other: Listed, _ place: Place) -> [Pattern] {
        (patterns[place] ?? []).filter { !(other.sets[place]?.contains($0) ?? false) }
    }
}
