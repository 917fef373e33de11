/// How often the files name each dimension, and where first.
struct DimensionUses {
    private var uses: [String: (count: Int, first: SourcePosition)] = [:]
    /// Those that "dimensions" names.
    private var declared: Set<String> = []
    /// A file with more dimensions than this is not compared name by name.
    private static let mostCompared = 200

    mutating func note(_ dimension: String, at position: SourcePosition) {
        uses[dimension, default: (0, position)].count += 1
    }

    mutating func noteDeclaration(_ dimension: String, at position: SourcePosition) {
        note(dimension, at: position)
        declared.insert(dimension)
    }

    /// Dimensions named only once that are nearly another one: likely a misspelling, which would make a rule never
    /// apply. Of two that stand once each, the later. And those that are declared and named nowhere else.
    func suspects() -> [(position: SourcePosition, message: String)] {
        guard uses.count <= Self.mostCompared else { return [] }
        return uses.filter { $0.value.count == 1 }.compactMap { name, use in
            let isDeclaration = declared.contains(name)
            // What is declared is meant to be used: any name in the rules may be the right one, and it none of theirs.
            let others = uses.filter { other, otherUse in
                guard other != name else { return false }
                if isDeclaration || otherUse.count > 1 { return true }
                return otherUse.first < use.first && !declared.contains(other)
            }
            if let meant = nearest(to: name, among: others.keys.sorted()) {
                return (use.first, "dimension \"\(name)\" is used only here; did you mean \"\(meant)\"?")
            }
            guard isDeclaration else { return nil }
            return (use.first, "no rule and no list names dimension \"\(name)\", so nothing is compared in this form")
        }
    }

    private func nearest(to name: String, among others: [String]) -> String? {
        let near = others.compactMap { other -> (name: String, distance: Int)? in
            // Short names differ by little and mean different things: ip and id.
            let allowed = min(2, max(name.utf8.count, other.utf8.count) / 3)
            return NearestSpelling.distance(Array(name.utf8), Array(other.utf8), atMost: allowed).map { (other, $0) }
        }
        return near.min { $0.distance < $1.distance }?.name
    }
}
