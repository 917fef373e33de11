import Foundation
import SluiceModel

/// What a fallback has to know of a request.
struct FallbackRequest {
    var mode: Mode
    var cost: UInt64
    var amount: UInt64
}

extension FallbackRequest {
    init(_ request: RequestView) {
        self.init(mode: request.mode, cost: request.cost, amount: request.amount)
    }
}

/// What the rules say while Redis cannot.
extension Decider {
    /// Fills `answer` with the worst that the rules say which would have judged: what their `on_redis_failure` is, or
    /// what this loop's own estimate lets through.
    ///
    /// - Parameters:
    ///   - hashOf: of the key of a use, by its index.
    ///   - memberOf: the hash of the value that a use would put into its set; nil where it is not known any more.
    func decideByPolicy(
        _ uses: ArraySlice<RuleUse>, _ request: FallbackRequest, _ effect: ListEffect?, _ rules: ActiveRules,
        hashOf: (Int) -> UInt64, memberOf: (Int) -> UInt64? = { _ in nil }
    ) {
        answer.clear(basis: .policy)
        if request.mode != .record { judge(uses, request, rules.set, hashOf, memberOf) }
        if let effect, request.mode != .record { answer.take(effect) }
        guard request.mode != .peek else { return }
        let isAllowed = effect?.kind == .allow
        for place in uses.indices where uses[place].counts {
            let rule = rules.set.rules[rules.set.variants[Int(uses[place].variant)].rule]
            guard rule.onRedisFailure == .local,
                request.mode == .record || isAllowed || answer.verdict != .deny || rule.counting == .attempts
            else { continue }
            count(uses[place], request, rules.set, hashOf(place), memberOf(place))
        }
    }

    private func judge(
        _ uses: ArraySlice<RuleUse>, _ request: FallbackRequest, _ rules: RuleSet, _ hashOf: (Int) -> UInt64,
        _ memberOf: (Int) -> UInt64?
    ) {
        for place in uses.indices where uses[place].judges {
            let variant = rules.variants[Int(uses[place].variant)]
            let rule = rules.rules[variant.rule]
            var verdict = Verdict.allow
            switch rule.onRedisFailure {
            case .allow: break
            case .deny: verdict = .deny
            case .local:
                if !rule.shadow { answer.basis = .local }
                verdict = estimate(uses[place], request, rule, variant, hashOf(place), memberOf(place))
            }
            if verdict != .allow { answer.policies.append((Int(uses[place].variant), verdict)) }
            if !rule.shadow { answer.verdict = max(answer.verdict, verdict) }
        }
    }

    /// The worst verdict of the limits that the request would exceed by this loop's own estimate.
    private func estimate(
        _ use: RuleUse, _ request: FallbackRequest, _ rule: Rule, _ variant: RuleVariant, _ key: UInt64,
        _ member: UInt64?
    ) -> Verdict {
        let nowMs = fallbackMs
        var verdict = Verdict.allow
        for (limit, counter) in zip(variant.limits, variant.counterOfLimit) where limit.verdict > verdict {
            let counter = Self.hash(key, variant.counters[counter])
            var weight = use.counts ? rule.measure == .count ? request.cost : request.amount : 1
            let used: UInt64
            if rule.measure.distinctDimension != nil {
                let seen = estimates.distinct(counter, member: member ?? 0, windowMs: limit.windowMs, nowMs: nowMs)
                used = seen.0
                weight = !use.counts ? 1 : member == nil || seen.1 ? 0 : 1
            } else {
                used = estimates.used(counter, windowMs: limit.windowMs, nowMs: nowMs)
            }
            let share = LocalEstimates.share(of: limit.max, among: settings.sharers)
            if share == 0 || used > share || weight > share - used { verdict = limit.verdict }
        }
        return verdict
    }

    private func count(_ use: RuleUse, _ request: FallbackRequest, _ rules: RuleSet, _ key: UInt64, _ member: UInt64?) {
        let variant = rules.variants[Int(use.variant)]
        let rule = rules.rules[variant.rule]
        let nowMs = fallbackMs
        for counter in variant.counters {
            let hash = Self.hash(key, counter)
            if rule.measure.distinctDimension == nil {
                let weight = rule.measure == .count ? request.cost : request.amount
                estimates.add(weight, to: hash, windowMs: counter.windowMs, nowMs: nowMs)
            } else if let member {
                estimates.insert(member: member, into: hash, windowMs: counter.windowMs, nowMs: nowMs)
            }
        }
    }

    private var fallbackMs: UInt64 {
        settings.clock == .request ? latestAtMs : UInt64(Date().timeIntervalSince1970 * 1_000)
    }

    /// Of a counter: that of its key, which is as good as random, and its field.
    private static func hash(_ key: UInt64, _ counter: RuleVariant.Counter) -> UInt64 {
        key ^ Array(counter.field.utf8).withUnsafeBytes { ByteTable.hash($0) }
    }
}
