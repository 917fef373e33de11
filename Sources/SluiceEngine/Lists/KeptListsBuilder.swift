import SluiceModel

/// Makes the snapshots that event loops look up from the listings in force: most changes make a small table anew, and
/// only one in many the large one.
struct KeptListsBuilder {
    /// Changes beyond which the large table is made anew.
    static let mostRecent = 1_024

    private(set) var lists = KeptLists()
    private var normalizers: [String: Normalizer]
    private var recent: Set<ListingField> = []
    /// Whether a listing stands in another form than its dimension has now: two may then be one entity, and only the
    /// whole of them says what holds.
    private var hasOtherForms = false

    init(normalizers: [String: Normalizer]) {
        self.normalizers = normalizers
    }

    /// - Returns: whether that makes a difference.
    mutating func use(_ normalizers: [String: Normalizer], listings: [ListingField: Listing]) -> Bool {
        guard normalizers != self.normalizers else { return false }
        self.normalizers = normalizers
        rebuild(from: listings)
        return true
    }

    /// Makes all of it anew.
    mutating func rebuild(from listings: [ListingField: Listing]) {
        recent = []
        hasOtherForms = false
        lists.settled = ListTable(listings.map { line($0, $1) })
        lists.recent = ListTable()
    }

    /// Takes up what has changed in `listings`.
    mutating func update(_ changed: some Collection<ListingField>, in listings: [ListingField: Listing]) {
        recent.formUnion(changed)
        let lines = recent.map { line($0, listings[$0]) }
        guard recent.count <= Self.mostRecent, !hasOtherForms else { return rebuild(from: listings) }
        lists.recent = ListTable(lines)
    }

    mutating func setClock(aheadMs: Int64) {
        lists.clockAheadMs = aheadMs
    }

    private mutating func line(_ field: ListingField, _ listing: Listing?) -> ListTable.Line {
        let value = Array(field.value)
        let normalizer = normalizers[field.dimension]
        if let normalizer, normalizer.normalForm(of: value) != value { hasOtherForms = true }
        return ListTable.Line(
            dimension: field.dimension, value: ListTable.Line.Value(value, normalizedBy: normalizer),
            kind: listing?.kind, untilMs: listing?.untilMs ?? 0)
    }
}
