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
    @usableFromInline
    struct Value {
        @usableFromInline var start: UInt32
        /// 0: the request does not carry the dimension.
        @usableFromInline var count: UInt32
    }

    /// Per dimension of the rule set, where the request's value lies.
    @usableFromInline var values: [Value] = []

    public init() {}

    /// Points at the values of `request`. An empty value is the same as an absent one.
    public mutating func fill(_ request: RequestView, in rules: RuleSet) {
        let count = rules.dimensions.count
        if values.count != count {
            values = Array(repeating: Value(start: 0, count: 0), count: count)
        } else {
            for position in 0..<count { values[position].count = 0 }
        }
        for index in 0..<request.entityCount {
            let entity = request.entities[index]
            guard !entity.value.isEmpty else { continue }
            guard let dimension = rules.dimensionTable.find(request.slice(entity.dimension)) else { continue }
            values[dimension] = Value(start: entity.valueStart, count: entity.valueEnd - entity.valueStart)
        }
    }

    /// Where the value of `dimension` lies, or nil.
    @inlinable
    public func value(_ dimension: Int, of request: RequestView) -> UnsafeRawBufferPointer? {
        let value = values[dimension]
        guard value.count > 0 else { return nil }
        return request.slice(Int(value.start)..<Int(value.start) + Int(value.count))
    }

    func carries(_ dimension: Int) -> Bool { values[dimension].count > 0 }
}

extension RuleSet {
    /// Appends the rules that `request` meets, in file order. Records meet only rules that count.
    public func match(
        _ request: RequestView,
        _ index: DimensionIndex,
        into uses: inout [RuleUse]
    ) {
        guard let steps = plans.steps(of: request.slice(request.action)) else { return }
        for step in steps {
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
        guard let steps = plans.steps(of: action) else { return nil }
        return steps.lazy.filter(\.counts).map { self.compiled[$0.rule].longestWindowMs }.max()
    }

    private func use(
        of rule: Int,
        _ request: RequestView,
        _ index: DimensionIndex,
        judges: Bool,
        counts: Bool,
        anywhere: Bool = false
    ) -> RuleUse? {
        let outline = outlines[rule]
        for place in outline.dimensions where !index.carries(outlinedDimensions[place]) { return nil }
        // What is to join a set needs a value; who only looks at the size of one needs none.
        if counts, let measured = outline.measured, !index.carries(measured) { return nil }
        var variant: Int? = outline.variant
        if outline.isConditional {
            if !anywhere, !meetsConditions(of: rule, request, index) { return nil }
            let override = compiled[rule].overrides.winner(of: request, index)
            variant = override.map(\.variant) ?? variant
        }
        guard let variant else { return nil }
        return RuleUse(variant: Int32(variant), tuple: outline.tuple, judges: judges, counts: counts)
    }

    private func meetsConditions(of rule: Int, _ request: RequestView, _ index: DimensionIndex) -> Bool {
        for condition in compiled[rule].when {
            guard let value = index.value(condition.dimension, of: request) else { return false }
            guard condition.values.match(value) != nil else { return false }
        }
        return true
    }
}
