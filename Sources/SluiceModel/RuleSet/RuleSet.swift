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

    /// What one rule does with an action.
    struct Plan: Sendable {
        var rule: Int
        var judges: Bool
        var counts: Bool
    }

    struct CompiledOverride: Sendable {
        var conditions: [(dimension: Int, values: ValueSet)]
        /// Nil: exempt.
        var variant: Int?
    }

    struct CompiledRule: Sendable {
        var dimensions: [Int]
        var when: [(dimension: Int, values: ValueSet)]
        var variant: Int
        var overrides: [CompiledOverride]
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
    let dimensionTable: ByteTable
    let exactActions: ByteTable
    let prefixActions: ByteTable
    /// Lengths of the prefixes in `prefixActions`, longest first.
    let prefixLengths: [Int]
    let plans: [[Plan]]

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
                var variant: Int?
                if case .limits(let limits) = override.effect {
                    variants.append(RuleVariant(rule: index, of: rule, limits: limits))
                    variant = variants.count - 1
                }
                return CompiledOverride(conditions: compile(override.conditions), variant: variant)
            }
            return CompiledRule(
                dimensions: rule.per.map(number),
                when: compile(rule.when),
                variant: own,
                overrides: overrides
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

        (exactActions, prefixActions, prefixLengths, plans) = Self.planActions(rules)
    }

    /// A plan for every action the file spells out and for every prefix. An action that is not spelled out follows
    /// the longest prefix it begins with: any other prefix of the action is a prefix of that one too.
    private static func planActions(_ rules: [Rule]) -> (ByteTable, ByteTable, [Int], [[Plan]]) {
        let patterns = Set(rules.lazy.flatMap { $0.check + $0.count })
        var plans: [[Plan]] = []
        func plan(_ matches: (Pattern) -> Bool) -> Int {
            plans.append(
                rules.enumerated().compactMap { index, rule in
                    let judges = rule.check.contains(where: matches)
                    let counts = rule.count.contains(where: matches)
                    return judges || counts ? Plan(rule: index, judges: judges, counts: counts) : nil
                }
            )
            return plans.count - 1
        }
        let exact = patterns.filter { !$0.isPrefix }.map { action in
            let bytes = Array(action.text.utf8)
            return (bytes, plan { $0.isPrefix ? bytes.starts(with: $0.text.utf8) : $0 == action })
        }
        let prefixes = patterns.filter(\.isPrefix).map { prefix in
            let bytes = Array(prefix.text.utf8)
            return (bytes, plan { $0.isPrefix && bytes.starts(with: $0.text.utf8) })
        }
        let lengths = Set(prefixes.map { $0.0.count }).sorted(by: >)
        return (ByteTable(exact), ByteTable(prefixes), lengths, plans)
    }
}
