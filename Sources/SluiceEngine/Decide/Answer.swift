import NIOCore
import SluiceModel

/// Who decided.
enum Basis: UInt8, CaseIterable, Sendable {
    case redis = 0
    case cache = 1
    case local = 2
    case policy = 3

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
}

struct AnswerHeadroom {
    var variant: Int
    var limit: Int
    var remaining: UInt64
    var resetMs: UInt64
}

/// The answer to one request before it is encoded. One is kept and refilled: it allocates nothing once it has grown.
struct Answer {
    var verdict = Verdict.allow
    var basis = Basis.redis
    var trips: [AnswerTrip] = []
    var tightest: AnswerHeadroom?

    mutating func clear(basis: Basis) {
        verdict = .allow
        self.basis = basis
        trips.removeAll(keepingCapacity: true)
        tightest = nil
    }

    /// The largest among the enforced trips that gave the verdict; nil if one of those can never pass.
    func retryAfterMs(in rules: RuleSet) -> UInt64? {
        var longest: UInt64?
        for trip in trips {
            let variant = rules.variants[trip.variant]
            guard variant.limits[trip.limit].verdict == verdict, !rules.rules[variant.rule].shadow else { continue }
            guard let retryAfterMs = trip.retryAfterMs else { return nil }
            longest = max(longest ?? 0, retryAfterMs)
        }
        return longest
    }
}
