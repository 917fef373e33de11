import SluiceModel

/// A request over bytes of its own, for what looks at a `RequestView`.
struct ExampleRequest {
    private var bytes: [UInt8]
    private var action: Range<Int>
    private var entities: [RequestView.Entity] = []
    private var mode: Mode

    init(_ action: String, _ entities: [String: String], _ mode: Mode = .check) {
        bytes = Array(action.utf8)
        self.action = bytes.indices
        self.mode = mode
        for (dimension, value) in entities {
            let start = bytes.count
            bytes += Array(dimension.utf8)
            let middle = bytes.count
            bytes += Array(value.utf8)
            self.entities.append(RequestView.Entity(dimension: start..<middle, value: middle..<bytes.count))
        }
    }

    func withView<Result>(_ body: (RequestView) throws -> Result) rethrows -> Result {
        try bytes.withUnsafeBytes { raw in
            var view = RequestView(bytes: raw)
            (view.action, view.mode) = (action, mode)
            for entity in entities { _ = view.append(entity) }
            return try body(view)
        }
    }

    /// The rules of `rules` that it meets.
    func uses(of rules: RuleSet) -> [RuleUse] {
        withView { view in
            var index = DimensionIndex()
            index.fill(view, in: rules)
            var uses: [RuleUse] = []
            rules.match(view, index, into: &uses)
            return uses
        }
    }

    /// The rules of `rules` whose tuple it names.
    func inspected(by rules: RuleSet) -> [RuleUse] {
        withView { view in
            var index = DimensionIndex()
            index.fill(view, in: rules)
            var uses: [RuleUse] = []
            rules.matchAll(view, index, into: &uses)
            return uses
        }
    }
}
