/// Every bound of the contract that a request or a limits file meets, by name.
public enum Caps {
    // A request.
    public static let entitiesPerRequest = 16
    public static let dimensionBytes = 32
    public static let valueBytes = 256
    public static let actionBytes = 64
    public static let cost: UInt64 = 0x7FFF_FFFF
    /// The largest integer a Lua number holds exactly, 2^53 - 1.
    public static let exactInteger: UInt64 = 0x1F_FFFF_FFFF_FFFF
    public static let eventIDBytes = 64
    public static let traceIDBytes = 32
    public static let requestsPerBatch = 256

    // A limits file.
    public static let limitsFileBytes = 1 << 20
    public static let rules = 1_000
    public static let ruleNameBytes = 48
    public static let limitsPerRule = 8
    public static let limitsPerAction = 128
    public static let overrideValuesPerRule = 10_000
    /// Values of all lists together.
    public static let listedValues = 10_000
    public static let windowMs: UInt64 = 90 * 86_400_000
    public static let slices = 120
    /// Steps of one `block_for`.
    public static let blockSteps = 8
    /// The largest `max` of a distinct limit: a counter holds as many members and one more.
    public static let distinctMax: UInt64 = 10_000
    public static let eventMemoryMs: UInt64 = 86_400_000
    public static let shortestEventMemoryMs: UInt64 = 1_000
    /// An exact log holds at most this many pairs and one more.
    public static let exactUpTo: UInt64 = 1_024

    // The lists that operators keep.
    public static let listings = 100_000
    public static let listingReasonBytes = 500
    public static let listingByBytes = 200
    /// Ten years.
    public static let listingMs: UInt64 = 3_650 * 86_400_000
    public static let listingsPerPage = 1_000
}
