/// What a counter adds up.
public enum Measure: Hashable, Sendable {
    /// Events, weighted by their cost.
    case count
    /// The requests' `amount`, in minor units.
    case sum
    /// Different values of one dimension.
    case distinct(dimension: String)

    /// The dimension whose values are told apart; nil of other measures.
    public var distinctDimension: String? {
        guard case .distinct(let dimension) = self else { return nil }
        return dimension
    }

    /// As `sluice inspect` and the limits file spell it: `count`, `sum of amount`, `distinct card`.
    public var name: String {
        switch self {
        case .count: "count"
        case .sum: "sum of amount"
        case .distinct(let dimension): "distinct \(dimension)"
        }
    }
}

/// Which requests move a rule's counters: those admitted, or every attempt.
public enum Counting: Sendable {
    case admitted
    case attempts
}

/// What a rule answers while Redis cannot.
public enum FailurePolicy: String, CaseIterable, Sendable {
    case allow
    case deny
    /// An estimate of this process alone, at `max` divided by the number of instances.
    case local
}

/// A literal text, or the beginning of one (`login*`: any continuation, even none). Compared as bytes.
public struct Pattern: Hashable, Sendable {
    /// The literal, or the prefix without its star.
    public var text: String
    public var isPrefix: Bool

    public init(_ text: String, isPrefix: Bool = false) {
        self.text = text
        self.isPrefix = isPrefix
    }

    /// Reads `text`, where a trailing `*` makes a prefix.
    public init(spelled text: String) {
        // Bytes, because a star can be part of a longer Character.
        if text.utf8.last == UInt8(ascii: "*") {
            self.init(String(decoding: text.utf8.dropLast(), as: UTF8.self), isPrefix: true)
        } else {
            self.init(text)
        }
    }

    /// The pattern as the limits file spells it.
    public var spelling: String { isPrefix ? text + "*" : text }

    /// Text compares equal to text of other bytes (an accent of its own, or one with its letter); patterns do not.
    public static func == (lhs: Pattern, rhs: Pattern) -> Bool {
        lhs.isPrefix == rhs.isPrefix && lhs.text.utf8.elementsEqual(rhs.text.utf8)
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(isPrefix)
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}

/// A maximum over a sliding window, with the verdict given when it would be exceeded.
public struct Limit: Hashable, Sendable {
    /// 0 to 2^53 - 1.
    public var max: UInt64
    /// 1 ms to 90 days.
    public var windowMs: UInt64
    public var verdict: Verdict
    /// As written in the limits file: `20 per 1d`.
    public var text: String
    /// How long its tuple stays under the verdict once it trips: the steps of an escalation, each 1 ms to 90 days, at
    /// most `Caps.blockSteps`. Empty: it blocks nobody.
    public var blockForMs: [UInt64]

    public init(
        max: UInt64, windowMs: UInt64, verdict: Verdict = .deny, text: String, blockForMs: [UInt64] = []
    ) {
        self.max = max
        self.windowMs = windowMs
        self.verdict = verdict
        self.text = text
        self.blockForMs = blockForMs
    }
}

/// Dimensions that must all match, each by one of its patterns.
public struct Condition: Hashable, Sendable {
    public var dimension: String
    public var patterns: [Pattern]

    public init(dimension: String, patterns: [Pattern]) {
        self.dimension = dimension
        self.patterns = patterns
    }
}

/// Other limits, or none, for requests that match every one of its conditions.
public struct Override: Hashable, Sendable {
    public enum Effect: Hashable, Sendable {
        case limits([Limit])
        /// Neither judged nor counted.
        case exempt
    }

    /// In the order written.
    public var conditions: [Condition]
    public var effect: Effect

    public init(conditions: [Condition], effect: Effect) {
        self.conditions = conditions
        self.effect = effect
    }
}

/// One rule of the limits file, checked, with the file's defaults filled in.
public struct Rule: Hashable, Sendable {
    public var name: String
    /// Actions whose requests it judges.
    public var check: [Pattern]
    /// Actions that move its counters; the same as `check` unless the file says otherwise.
    public var count: [Pattern]
    /// The dimensions of its tuple, in the order written; empty is one counter for all.
    public var per: [String]
    /// Where it applies; all must match. In the order written.
    public var when: [Condition]
    public var measure: Measure
    public var limits: [Limit]
    public var counting: Counting
    public var shadow: Bool
    public var onRedisFailure: FailurePolicy
    /// Counters whose largest `max` is at most this keep an exact log.
    public var exactUpTo: UInt64
    /// Slices a window is cut into when it is not an exact log, 1 to 120.
    public var slices: Int
    public var overrides: [Override]
    /// `description`, `owner` and `x-*`, in the order written.
    public var notes: [Note]

    /// A free text key of a rule, kept and shown.
    public struct Note: Hashable, Sendable {
        public var key: String
        public var text: String

        public init(key: String, text: String) {
            self.key = key
            self.text = text
        }
    }

    public init(
        name: String,
        check: [Pattern],
        count: [Pattern]? = nil,
        per: [String],
        when: [Condition] = [],
        measure: Measure = .count,
        limits: [Limit],
        counting: Counting = .admitted,
        shadow: Bool = false,
        onRedisFailure: FailurePolicy = .allow,
        exactUpTo: UInt64 = 64,
        slices: Int = 60,
        overrides: [Override] = [],
        notes: [Note] = []
    ) {
        self.name = name
        self.check = check
        self.count = count ?? check
        self.per = per
        self.when = when
        self.measure = measure
        self.limits = limits
        self.counting = counting
        self.shadow = shadow
        self.onRedisFailure = onRedisFailure
        self.exactUpTo = exactUpTo
        self.slices = slices
        self.overrides = overrides
        self.notes = notes
    }
}
