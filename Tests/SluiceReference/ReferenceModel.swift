import SluiceModel

/// What Sluice must answer, written to be read rather than to be fast: the truth that tests hold the Redis scripts
/// against. Every counter is an explicit list of (tick, weight) pairs or of members that lives as long as the model;
/// times are whole milliseconds, all arithmetic is on integers. Values of entities are taken as they come, normalised by
/// whoever asks.
public struct ReferenceModel: Sendable {
    /// In file order.
    var rules: [Rule]
    var cells = Cells()
    /// Since when each window of a rule is in force; those of the first rules have always been.
    public private(set) var births: [RuleWindow: UInt64] = [:]

    /// How long an event is remembered from here on, in ms.
    public var eventMemoryMs: UInt64
    /// Every event that came with an id or was undone, expired or not.
    var events: [EventKey: EventMemory] = [:]

    /// What there was when the script run began; nil: each request is a run of its own.
    var asRead: Cells?
    /// Tuples written to by this request under other rules than before.
    var pendingSweeps: Set<[Entity]> = []
    /// Rules of which this request began a cell that was not there.
    var begun: Set<TupleRule> = []
    /// Lives of counters so far.
    var lives = 0

    /// Clock steps that were noticed and whose correction was kept, one for each cell.
    public internal(set) var clockSteps = 0

    public init(rules: [Rule], eventMemoryMs: UInt64 = LimitsFile.standardEventMemoryMs) {
        self.rules = rules
        self.eventMemoryMs = eventMemoryMs
    }

    /// Puts other rules in force. Counters stay: they follow a rule's name and hold what happened. A window that was not
    /// in force just before is young from `now` on.
    public mutating func replace(rules: [Rule], atMs now: UInt64 = 0) {
        let before = Set(self.rules.flatMap(\.windows))
        let after = Set(rules.flatMap(\.windows))
        births = births.filter { after.contains($0.key) }
        for window in after.subtracting(before) { births[window] = now }
        self.rules = rules
    }
}
