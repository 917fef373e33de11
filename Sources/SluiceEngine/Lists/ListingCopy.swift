/// A copy of the lists in Redis, brought up to date page by page. A value: it reads no Redis and no clock.
///
/// - empty: nothing has been read.
/// - loading: from the first page to the first that is the last. Nobody is to look at it.
/// - current: has every change up to `version`.
///
/// What does not add up leaves only one way out, a new copy: a Redis with an older state than was seen, changes that it
/// has forgotten, or another number of listings than the changes lead to.
struct ListingCopy {
    enum Step: Equatable {
        /// Ask for what is behind `version`.
        case more
        case current
        case startOver
    }

    private(set) var listings: [ListingField: Listing] = [:]
    /// Up to which every change is in.
    private(set) var version: UInt64 = 0
    /// Fields of the last page taken.
    private(set) var changed: [ListingField] = []
    private(set) var isCurrent = false
    /// The last change there was when the first page was read: what went before is in no page, and need not be.
    private var versionAtStart: UInt64?
    /// Listings in Redis that cannot be read here.
    private var unreadable = 0

    mutating func take(_ page: ListingPage) -> Step {
        guard page.version >= version, page.floor <= max(version, versionAtStart ?? page.version) else {
            return .startOver
        }
        if versionAtStart == nil { versionAtStart = page.version }
        for change in page.changes { listings[change.field] = change.listing }
        changed = page.changes.map(\.field)
        version = page.readTo
        guard page.isLast else { return .more }
        let missing = page.entries - listings.count
        if !isCurrent {
            (isCurrent, unreadable) = (true, missing)
        } else if missing != unreadable {
            return .startOver
        }
        return .current
    }
}
