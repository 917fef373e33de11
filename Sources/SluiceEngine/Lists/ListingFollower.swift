/// The lists as they are in force here, and what it takes to keep them like those in Redis. A value, fed with pages.
///
/// Where the copy in force cannot be brought up to date another one is read from the start; it takes the place of the
/// first when it is whole, and what was in force stays so until then, over as many failures of Redis as there are.
struct ListingFollower {
    enum Step: Equatable {
        /// Ask for what is behind `version`. Of `listings` these have changed.
        case more([ListingField])
        /// Nothing is left to ask for now. Of `listings` these have changed.
        case current([ListingField])
        /// Nothing is left to ask for now. Any of `listings` may have changed.
        case renewed
        /// What Redis says does not add up even from the start: ask again, but not at once.
        case broken
    }

    /// In force.
    private var copy = ListingCopy()
    /// In the making; nil while `copy` can be brought up to date.
    private var fresh: ListingCopy? = ListingCopy()
    private var source: ServiceCore.RedisSource?

    var listings: [ListingField: Listing] { copy.listings }
    var version: UInt64 { (fresh ?? copy).version }

    /// - Parameter page: of what is behind `version`.
    mutating func take(_ page: ListingPage, from source: ServiceCore.RedisSource) -> Step {
        defer { self.source = source }
        // Another connection may lead to a Redis that has lost changes.
        guard self.source == nil || self.source == source else {
            fresh = ListingCopy()
            return .more([])
        }
        if var making = fresh {
            // Not held twice while it changes: it would be copied.
            fresh = nil
            switch making.take(page) {
            case .more:
                fresh = making
                return .more([])
            case .current:
                copy = making
                return .renewed
            case .startOver:
                fresh = ListingCopy()
                return .broken
            }
        }
        switch copy.take(page) {
        case .more: return .more(copy.changed)
        case .current: return .current(copy.changed)
        case .startOver:
            fresh = ListingCopy()
            return .more(copy.changed)
        }
    }
}
