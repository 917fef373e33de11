/// How often the files name each dimension, and where first.
struct DimensionUses {
    private var uses: [String: (count: Int, first: SourcePosition)] = [:]
    /// A file with more dimensions than this is not compared name by name.
    private static let mostCompared = 200

    mutating func note(_ dimension: String, at position: SourcePosition) {
        uses[dimension, default: (0, position)].count += 1
    }

    /// Dimensions named only once that are nearly another one: likely a misspelling, which would make a rule never
    /// apply. Of two that stand once each, the later.
    func suspects() -> [(position: SourcePosition, message: String)] {
        guard uses.count <= Self.mostCompared else { return [] }
        return uses.filter { $0.value.count == 1 }.compactMap { name, use in
            let others = uses.filter { $0.key != name && ($0.value.count > 1 || $0.value.first < use.first) }
            guard let meant = nearest(to: name, among: others.keys.sorted()) else { return nil }
            return (use.first, "dimension \"\(name)\" is used only here; did you mean \"\(meant)\"?")
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
