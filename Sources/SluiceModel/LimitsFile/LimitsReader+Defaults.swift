extension LimitsReader {
    /// What rules that do not say otherwise are given. One for the whole set of files.
    struct Defaults {
        var onRedisFailure = FailurePolicy.allow
        var exactUpTo: UInt64 = 64
        var slices = 60
        /// Holds for the service, not for a rule.
        var eventMemoryMs = LimitsFile.standardEventMemoryMs
        /// Where each key was given, and what it said.
        fileprivate var given: [String: (position: SourcePosition, text: String)] = [:]
    }

    enum DefaultsKey: String, CaseIterable {
        case onRedisFailure = "on_redis_failure"
        case exactUpTo = "exact_up_to"
        case slices
        case eventMemory = "event_memory"
    }

    func readDefaults(_ node: YAMLNode) {
        guard let entries = entries(of: node, keys: DefaultsKey.self, what: "defaults") else { return }
        for entry in entries {
            switch entry.key {
            case .onRedisFailure:
                if let policy = failurePolicy(entry.value) { defaults.onRedisFailure = policy }
            case .exactUpTo:
                if let exactUpTo = exactUpTo(entry.value) { defaults.exactUpTo = exactUpTo }
            case .slices:
                if let slices = slices(entry.value) { defaults.slices = slices }
            case .eventMemory:
                let range = Caps.shortestEventMemoryMs...Caps.eventMemoryMs
                if let memory = duration(entry.value, name: entry.name, in: range) {
                    defaults.eventMemoryMs = memory.ms
                }
            case nil:
                continue
            }
            guard case .scalar(let text, _) = entry.value.content else { continue }
            if let first = defaults.given[entry.name], first.text != text, first.position.file != entry.position.file {
                let place = report.place(first.position, seenFrom: entry.position)
                report.error(
                    at: entry.position,
                    "\"\(entry.name)\" has another default in \(place); defaults hold for all files together")
            } else {
                defaults.given[entry.name] = (entry.position, text)
            }
        }
    }

    func failurePolicy(_ node: YAMLNode) -> FailurePolicy? {
        guard let name = word(node, name: "on_redis_failure", among: FailurePolicy.allCases.map(\.rawValue)) else {
            return nil
        }
        if name == FailurePolicy.local.rawValue {
            report.warning(at: node.position, "on_redis_failure local answers as allow does in this version")
        }
        return FailurePolicy(rawValue: name)
    }

    func exactUpTo(_ node: YAMLNode) -> UInt64? {
        integer(node, name: "exact_up_to", in: 0...Caps.exactUpTo)
    }

    func slices(_ node: YAMLNode) -> Int? {
        integer(node, name: "slices", in: 1...UInt64(Caps.slices)).map { Int($0) }
    }
}
