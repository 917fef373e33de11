extension LimitsFile {
    /// A part of the contract's grammar that needs machinery of its own.
    enum Feature: String, CaseIterable {
        case blockFor = "block_for"
        case measureSum = "measure sum"
        case measureDistinct = "measure distinct"
        case onRedisFailureLocal = "on_redis_failure local"
    }

    /// What a limits file may not use yet: refused by name, because a limit that is silently not enforced is worse
    /// than none; `local`, which changes no limit, is only warned of. A feature leaves this set when it works.
    static let unsupported = Set(Feature.allCases)
}
