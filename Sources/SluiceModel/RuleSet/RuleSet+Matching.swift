/// One rule that a request meets, with the limits that apply to it.
public struct RuleUse: Hashable, Sendable {
    /// Index into `RuleSet.variants`.
    public var variant: Int32
    /// Index into `RuleSet.tuples`.
    public var tuple: Int16
    public var judges: Bool
    public var counts: Bool
}

/// A request's values by the rule set's dimension numbers: scratch space, kept between requests so that matching
/// allocates nothing.
public struct DimensionIndex {
    /// Per dimension of the rule set, 1 + the position of the request's entity, or 0.
    fileprivate var entityOf: [UInt8] = []

    public init() {}

    /// Points at the entities of `request`. An empty value is the same as an absent one.
    public mutating func fill(_ request: RequestView, in rules: RuleSet) {
        if entityOf.count != rules.dimensions.count {
            entityOf = Array(repeating: 0, count: rules.dimensions.count)
        } else {
            for position in entityOf.indices { entityOf[position] = 0 }
        }
        for index in 0..<request.entityCount {
            let entity = request.entities[index]
            guard !entity.value.isEmpty else { continue }
            guard let dimension = rules.dimensionTable.find(request.slice(entity.dimension)) else { continue }
            entityOf[dimension] = UInt8(index + 1)
        }
    }

    /// Where the value of `dimension` lies, or nil.
    public func value(_ dimension: Int, of request: RequestView) -> UnsafeRawBufferPointer? {
        let entity = entityOf[dimension]
        return entity == 0 ? nil : request.slice(request.entities[Int(entity) - 1].value)
    }
}

extension RuleSet {
    /// Appends the rules that `request` meets, in file order. Records meet only rules that count.
    public func match(
        _ request: RequestView,
        _ index: DimensionIndex,
        into uses: inout [RuleUse]
    ) {
        guard let plan = plan(of: request.slice(request.action)) else { return }
        for step in plans[plan] {
            if request.mode == .record && !step.counts { continue }
            if let use = use(of: step.rule, request, index, judges: step.judges, counts: step.counts) {
                uses.append(use)
            }
        }
    }

    /// Appends the rules whose tuple `request` names, whatever the action and whatever `when` says.
    public func matchAll(
        _ request: RequestView,
        _ index: DimensionIndex,
        into uses: inout [RuleUse]
    ) {
        for rule in rules.indices {
            if let use = use(of: rule, request, index, judges: true, counts: false, anywhere: true) {
                uses.append(use)
            }
        }
    }

    /// The longest window of the rules that count `action`; nil when none does.
    public func longestCountedWindowMs(of action: UnsafeRawBufferPointer) -> UInt64? {
        guard let plan = plan(of: action) else { return nil }
        return plans[plan].lazy.filter(\.counts)
            .flatMap { step in
                let overrides = self.compiled[step.rule].overrides.lazy.compactMap(\.variant)
                return [self.compiled[step.rule].variant] + overrides
            }
            .flatMap { self.variants[$0].limits.lazy.map(\.windowMs) }
            .max()
    }

    private func plan(of action: UnsafeRawBufferPointer) -> Int? {
        if let exact = exactActions.find(action) { return exact }
        for length in prefixLengths where length <= action.count {
            let prefix = UnsafeRawBufferPointer(rebasing: action[..<length])
            if let plan = prefixActions.find(prefix) { return plan }
        }
        return nil
    }

    private func use(
        of rule: Int,
        _ request: RequestView,
        _ index: DimensionIndex,
        judges: Bool,
        counts: Bool,
        anywhere: Bool = false
    ) -> RuleUse? {
        for dimension in compiled[rule].dimensions where index.value(dimension, of: request) == nil { return nil }
        // What is to join a set needs a value; who only looks at the size of one needs none.
        if counts, let measured = distinctDimensionOfRule[rule], index.value(measured, of: request) == nil {
            return nil
        }
        if !anywhere {
            for condition in compiled[rule].when {
                guard let value = index.value(condition.dimension, of: request) else { return nil }
                guard condition.values.match(value) != nil else { return nil }
            }
        }
        guard let variant = variant(of: rule, request, index) else { return nil }
        return RuleUse(variant: Int32(variant), tuple: Int16(tupleOfRule[rule]), judges: judges, counts: counts)
    }

    /// The most specific override that matches: more exact values, then longer prefixes, then file order. Nil when
    /// it exempts.
    private func variant(
        of rule: Int,
        _ request: RequestView,
        _ index: DimensionIndex
    ) -> Int? {
        var best: (exact: Int, prefix: Int)?
        var chosen: Int? = compiled[rule].variant
        overrides: for override in compiled[rule].overrides {
            var (exact, prefix) = (0, 0)
            for condition in override.conditions {
                guard let value = index.value(condition.dimension, of: request) else { continue overrides }
                switch condition.values.match(value) {
                case .exact: exact += 1
                case .prefix(let count): prefix += count
                case nil: continue overrides
                }
            }
            if let best, (best.exact, best.prefix) >= (exact, prefix) { continue }
            best = (exact, prefix)
            chosen = override.variant
        }
        return chosen
    }
}
