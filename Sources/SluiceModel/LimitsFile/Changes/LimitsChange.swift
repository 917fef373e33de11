/// One thing that another limits file does differently, and what that means for what has been counted.
public struct LimitsChange: Hashable, Sendable, CustomStringConvertible {
    public enum Kind: String, CaseIterable, Sendable {
        case ruleAdded = "rule_added"
        case ruleRemoved = "rule_removed"
        case ruleRenamed = "rule_renamed"
        case order
        case limitAdded = "limit_added"
        case limitRemoved = "limit_removed"
        case max
        case window
        case verdict
        case blockFor = "block_for"
        case check, count, per, when, measure, counting, shadow
        case onRedisFailure = "on_redis_failure"
        case exactUpTo = "exact_up_to"
        case slices
        case overrideAdded = "override_added"
        case overrideRemoved = "override_removed"
        case overrideValues = "override_values"
        case override
        case note
        case guardrails = "reload"
        case eventMemory = "event_memory"
        /// How the values of a dimension are normalised.
        case dimension
        case listed
        case unlisted
    }

    public var kind: Kind
    /// Nil for what concerns the whole file.
    public var rule: String?
    /// In words; nil where there was nothing.
    public var before: String?
    public var after: String?
    /// What it does to decisions and counters.
    public var effect: String
    /// Whether it is a limit of an override that changed.
    private var isOfOverride: Bool
    /// The change without its effect, the rule's name in front.
    private var summary: String

    init(
        _ kind: Kind, _ rule: String?, _ summary: String, from before: String? = nil, to after: String? = nil,
        _ effect: Effect
    ) {
        self.kind = kind
        self.rule = rule
        self.before = before
        self.after = after
        self.effect = effect.rawValue
        isOfOverride = summary.hasPrefix(LimitPair.overridePlace)
        self.summary = rule.map { "\($0): \(summary)" } ?? summary
    }

    /// `merchant-orders: 6000 → 4000 per 1m, acts at once`.
    public var description: String { "\(summary), \(effect)" }

    /// The change without the values that overrides and conditions name, which are entities' own: for logs.
    public var discreet: String {
        switch kind {
        case .when, .override, .overrideAdded, .overrideRemoved, .overrideValues:
            "\(rule ?? ""): \(kind.rawValue) changed, \(effect)"
        case .listed: "lists: new values, \(effect)"
        case .unlisted: "lists: values removed, \(effect)"
        case _ where isOfOverride: "\(rule ?? ""): override changed, \(effect)"
        default: description
        }
    }

    enum Effect: String {
        case atOnce = "acts at once"
        case fromOldWindow = "starts from the old window's events"
        case fromOtherWindows = "starts from the events of the rule's other windows"
        case startsEmpty = "starts empty"
        case countersUnused = "its counters are no longer used"
        case noLongerHolds = "no longer holds"
        case nextWrite = "acts on each counter at its next write"
        case whenEmpty = "acts on each counter once it is empty"
        case noDecision = "changes no decision"
        case listing = "changes only the order in which trips are listed"
        case newCounters = "starts new counters for values that change by it"
        case nextBlock = "acts from the next block on"
        case nextEvent = "acts on events from now on"
        case nextReload = "judges the reloads after this one"
    }
}
