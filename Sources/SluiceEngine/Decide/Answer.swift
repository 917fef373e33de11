import NIOCore
import SluiceModel

/// Who decided.
enum Basis: UInt8, CaseIterable, Sendable {
    case redis = 0
    case cache = 1
    case local = 2
    case policy = 3

    /// Whether Redis had no part in it.
    var isFallback: Bool { self == .local || self == .policy }

    var name: String {
        switch self {
        case .redis: "redis"
        case .cache: "cache"
        case .local: "local"
        case .policy: "policy"
        }
    }
}

/// One limit that a request would exceed, by its place in the rule set.
struct AnswerTrip {
    var variant: Int
    /// Within the variant.
    var limit: Int
    var used: UInt64
    /// Nil: never passes.
    var retryAfterMs: UInt64?
    /// An earlier trip blocked the tuple, and the block still stands.
    var isBlocked = false
}

struct AnswerHeadroom {
    var variant: Int
    var limit: Int
    var remaining: UInt64
    var resetMs: UInt64
}

/// The answer to one request before it is encoded. One is kept and refilled: it allocates nothing once it has grown.
///
/// Not copied: five functions look at it, and each copy would count references to all that it holds.
struct Answer: ~Copyable {
    var verdict = Verdict.allow
    var basis = Basis.redis
    var trips: [AnswerTrip] = []
    /// What rules said that Redis could not be asked about, where that was not to allow; of shadow rules, too.
    var policies: [(variant: Int, verdict: Verdict)] = []
    var tightest: AnswerHeadroom?
    /// The list that gave the verdict, where one did.
    var listing: ListEffect?
    /// The event was decided before, and this is that decision.
    var isDuplicate = false
    /// What a repeated event was told the first time.
    var firstRetryAfterMs: UInt64?

    mutating func clear(basis: Basis) {
        verdict = .allow
        self.basis = basis
        trips.removeAll(keepingCapacity: true)
        if !policies.isEmpty { policies = [] }
        tightest = nil
        listing = nil
        isDuplicate = false
        firstRetryAfterMs = nil
    }

    /// What a rule said that Redis could not be asked about.
    func policy(of variant: Int) -> Verdict {
        policies.first { $0.variant == variant }?.verdict ?? .allow
    }

    /// Takes what a list says into an answer that has the worst verdict of the rules.
    mutating func take(_ effect: ListEffect) {
        switch effect.kind {
        case .deny: verdict = .deny
        case .allow: verdict = .allow
        case .watch:
            guard verdict == .allow else { return }
            verdict = .review
        }
        listing = effect
    }

    /// Names the list in an answer whose verdict the script has already given by it. A repeated event is told its first
    /// verdict, and a watched entity that a limit has raised above allow owes its verdict to that limit.
    mutating func show(_ effect: ListEffect, in rules: RuleSet) {
        guard !isDuplicate else { return }
        if effect.kind == .watch {
            let isRaised = trips.contains { !rules.rules[rules.variants[$0.variant].rule].shadow }
            guard !isRaised else { return }
        }
        listing = effect
    }

    /// The largest among the enforced trips that gave the verdict; nil if one of those can never pass.
    func retryAfterMs(in rules: RuleSet) -> UInt64? {
        if isDuplicate { return firstRetryAfterMs }
        var longest: UInt64?
        if let listing {
            guard let leftMs = listing.leftMs else { return nil }
            longest = leftMs
        }
        for trip in trips {
            let variant = rules.variants[trip.variant]
            guard variant.limits[trip.limit].verdict == verdict, !rules.rules[variant.rule].shadow else { continue }
            guard let retryAfterMs = trip.retryAfterMs else { return nil }
            longest = max(longest ?? 0, retryAfterMs)
        }
        return longest
    }
}
