import SluiceModel

/// What the deny cache has to know of each variant of a rule set, worked out once.
struct RefusalPlan: Sendable {
    /// What weighs in a judgement.
    enum Weight: Sendable {
        case cost
        case amount
        /// Whether the value is in the set: only Redis knows.
        case member
    }

    /// Limits are bits, the first limit the lowest: a rule has at most eight.
    struct Variant: Sendable {
        /// By counters that a refused request does not move: what holds until its time is over.
        fileprivate(set) var kept: UInt8 = 0
        /// Of `kept`, those that refuse: enforced, with verdict deny. The others are told beside them.
        fileprivate(set) var refusing: UInt8 = 0
        /// Enforced limits that block: a request that trips one of them must be seen by Redis, unless it is known to.
        fileprivate(set) var blocking: UInt8 = 0
        /// Of `blocking`, those with a step so short that it may pass while a refusal is kept.
        fileprivate(set) var blockingBriefly: UInt8 = 0
        fileprivate(set) var weight = Weight.cost
        /// Whether it counts what is refused, too.
        fileprivate(set) var countsAttempts = false

        /// What a request weighs for it; nil: that depends on what Redis knows.
        func weight(of use: RuleUse, cost: UInt64, amount: UInt64) -> UInt64? {
            guard use.counts else { return 1 }
            switch weight {
            case .cost: return cost
            case .amount: return amount
            case .member: return nil
            }
        }
    }

    let variants: [Variant]

    init(_ rules: RuleSet) {
        variants = rules.variants.map { variant in
            let rule = rules.rules[variant.rule]
            var plan = Variant()
            switch rule.measure {
            case .count: plan.weight = .cost
            case .sum: plan.weight = .amount
            case .distinct: plan.weight = .member
            }
            plan.countsAttempts = rule.counting == .attempts
            for (number, limit) in variant.limits.prefix(Caps.limitsPerRule).enumerated() {
                let bit = UInt8(1) << UInt8(number)
                if rule.counting == .admitted { plan.kept |= bit }
                // A shadow rule refuses nobody, and blocks nobody.
                guard !rule.shadow else { continue }
                if limit.verdict == .deny { plan.refusing |= plan.kept & bit }
                guard let shortest = limit.blockForMs.min() else { continue }
                plan.blocking |= bit
                if shortest < RefusalCache.longestMs { plan.blockingBriefly |= bit }
            }
            return plan
        }
    }
}
