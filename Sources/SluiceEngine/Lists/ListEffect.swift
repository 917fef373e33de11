import SluiceModel

/// What a list says of one request.
struct ListEffect: Hashable {
    var kind: ListKind
    /// Of the entity that is on the list.
    var dimension: String
    /// Until the entry ends, in ms; nil: it stays.
    var leftMs: UInt64?
}
