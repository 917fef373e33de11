/// The rules in force: one immutable snapshot, compiled so that a request finds its rules by a few look-ups of bytes.
///
/// Each event loop holds one; a decision uses one from start to end.
public final class RuleSet: Sendable {
    /// The dimensions that name an entity hash, sorted by name: what a rule counts per.
    public struct Tuple: Sendable {
        /// Indices into `dimensions`.
        public let dimensions: [Int]
        /// Every field that a rule in force keeps in hashes of this tuple, sorted.
        public let fields: [String]
    }

    struct CompiledRule: Sendable {
        var dimensions: [Int]
        var when: [(dimension: Int, values: ValueSet)]
        var variant: Int
        var overrides: OverrideTable
        /// Of its own limits and of those of its overrides.
        var longestWindowMs: UInt64
    }

    /// What is asked of every rule for every request, without an array in it: to copy one counts no references.
    struct Outline: Sendable {
        /// Places in `outlinedDimensions`.
        var dimensions: Range<Int>
        /// The dimension whose values it tells apart.
        var measured: Int?
        var variant: Int
        var tuple: Int16
        /// Whether it has a `when` or overrides.
        var isConditional: Bool
    }

    public let generation: UInt64
    public let rules: [Rule]
    /// A rule's own limits and each override's, numbered across all rules.
    public let variants: [RuleVariant]
    public let tuples: [Tuple]
    /// Per rule, its tuple.
    public let tupleOfRule: [Int]
    /// Per rule, the dimension whose values it tells apart, as an index into `dimensions`; nil of other measures.
    public let distinctDimensionOfRule: [Int?]
    /// Dimensions that some rule names or that have a normaliser.
    public let dimensions: [String]
    /// Per dimension, how its values are rewritten before anything looks at them; nil: they stay.
    public let normalizers: [Normalizer?]
    /// Whether any dimension has a normaliser: a check of this is all that the others cost.
    public let hasNormalizers: Bool

    let compiled: [CompiledRule]
    let outlines: [Outline]
    let outlinedDimensions: [Int]
    let dimensionTable: ByteTable
    let plans: ActionPlans

    /// - Parameters:
    ///   - rules: checked, as `LimitsFile.parse` gives them, with the values they name in normal form.
    ///   - normalizers: by dimension.
    public init(rules: [Rule], generation: UInt64, normalizers: [String: Normalizer] = [:]) {
        self.rules = rules
        self.generation = generation

        var names: [String] = []
        var numbers: [String: Int] = [:]
        func number(_ name: String) -> Int {
            if let known = numbers[name] { return known }
            numbers[name] = names.count
            names.append(name)
            return names.count - 1
        }
        func compile(_ conditions: [Condition]) -> [(dimension: Int, values: ValueSet)] {
            conditions.map { (number($0.dimension), ValueSet($0.patterns)) }
        }

        var variants: [RuleVariant] = []
        compiled = rules.enumerated().map { index, rule in
            variants.append(RuleVariant(rule: index, of: rule, limits: rule.limits))
            let own = variants.count - 1
            let overrides = rule.overrides.map { override in
                guard case .limits(let limits) = override.effect else { return (override.conditions, Int?.none) }
                variants.append(RuleVariant(rule: index, of: rule, limits: limits))
                return (override.conditions, variants.count - 1)
            }
            return CompiledRule(
                dimensions: rule.per.map(number),
                when: compile(rule.when),
                variant: own,
                overrides: OverrideTable(overrides, number: number),
                longestWindowMs: variants[own...].lazy.flatMap { $0.limits.lazy.map(\.windowMs) }.max() ?? 0
            )
        }
        self.variants = variants

        var perOfTuple: [[String]] = []
        tupleOfRule = rules.map { rule in
            let per = rule.per.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            if let known = perOfTuple.firstIndex(of: per) { return known }
            perOfTuple.append(per)
            return perOfTuple.count - 1
        }
        var fields = Array(repeating: Set<String>(), count: perOfTuple.count)
        for variant in variants {
            fields[tupleOfRule[variant.rule]].formUnion(variant.counters.map(\.field))
        }
        tuples = zip(perOfTuple, fields).map { Tuple(dimensions: $0.map(number), fields: $1.sorted()) }
        distinctDimensionOfRule = rules.map { $0.measure.distinctDimension.map(number) }
        for name in normalizers.keys.sorted() { _ = number(name) }
        dimensions = names
        self.normalizers = names.map { normalizers[$0] }
        hasNormalizers = !normalizers.isEmpty
        dimensionTable = ByteTable(names.enumerated().map { (Array($1.utf8), $0) })

        plans = ActionPlans(rules)
        var outlinedDimensions: [Int] = []
        var outlines: [Outline] = []
        for (index, rule) in compiled.enumerated() {
            let first = outlinedDimensions.count
            outlinedDimensions += rule.dimensions
            outlines.append(
                Outline(
                    dimensions: first..<outlinedDimensions.count,
                    measured: distinctDimensionOfRule[index],
                    variant: rule.variant,
                    tuple: Int16(tupleOfRule[index]),
                    isConditional: !rule.when.isEmpty || !rules[index].overrides.isEmpty
                )
            )
        }
        (self.outlines, self.outlinedDimensions) = (outlines, outlinedDimensions)
    }
}
