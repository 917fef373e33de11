extension LimitsReader {
    enum LimitKey: String, CaseIterable {
        case max, window, verdict
        case blockFor = "block_for"
    }

    private typealias PlacedLimit = (limit: Limit, position: SourcePosition)

    /// The limits of a rule or an override, at least one and at most eight.
    func readLimits(_ node: YAMLNode) -> [Limit]? {
        guard let items = list(node, name: "limits", hint: "; write [ { max: 5, window: 10m } ]") else { return nil }
        guard !items.isEmpty else {
            report.error(at: node.position, "\"limits\" needs at least one limit")
            return nil
        }
        if items.count > Caps.limitsPerRule {
            report.error(at: items[Caps.limitsPerRule].position, "more than 8 limits; this is the first one too many")
        }
        let limits = items.compactMap { item in readLimit(item).map { (limit: $0, position: item.position) } }
        warnOfIdleLimits(Array(limits.prefix(Caps.limitsPerRule)))
        return limits.map(\.limit)
    }

    private func readLimit(_ node: YAMLNode) -> Limit? {
        guard
            let entries = entries(
                of: node, keys: LimitKey.self, what: "a limit", hint: "; write { max: 5, window: 10m }")
        else { return nil }
        var maximum: UInt64?
        var maximumText = ""
        var window: (ms: UInt64, text: String)?
        var verdict: Verdict? = .deny
        for entry in entries {
            switch entry.key {
            case .max:
                maximum = integer(entry.value, name: "max", in: 0...Caps.exactInteger)
                if case .scalar(let text, _) = entry.value.content { maximumText = text }
            case .window: window = self.window(entry.value)
            case .verdict: verdict = limitVerdict(entry.value)
            case .blockFor: refuseUnsupported(.blockFor, at: entry.position)
            case nil: break
            }
        }
        let keys = Set(entries.compactMap(\.key))
        for key in [LimitKey.max, .window] where node.isComplete && !keys.contains(key) {
            report.error(
                at: node.position, "this limit has no \"\(key.rawValue)\", as in \"{ max: 5, window: 10m }\"")
        }
        guard let maximum, let window, let verdict else { return nil }
        return Limit(
            max: maximum, windowMs: window.ms, verdict: verdict, text: "\(maximumText) per \(window.text)")
    }

    private func limitVerdict(_ node: YAMLNode) -> Verdict? {
        let verdicts = Verdict.allCases.filter { $0 != .allow }
        if case .scalar("allow", _) = node.content {
            report.error(
                at: node.position,
                "a limit cannot say \"allow\"; it can be: \(verdicts.map(\.name).joined(separator: ", "))")
            return nil
        }
        return word(node, name: "verdict", among: verdicts.map(\.name)).flatMap { Verdict(name: $0) }
    }

    /// Over one window the verdicts should rise with the maxima: a milder limit that trips only where a harsher one
    /// trips too never changes a verdict. A warning: it still shows among the trips.
    private func warnOfIdleLimits(_ limits: [PlacedLimit]) {
        for (index, (limit, position)) in limits.enumerated() {
            let sameWindow = limits.enumerated().filter { $0.element.limit.windowMs == limit.windowMs }
            let window = DurationText.spell(ms: limit.windowMs)
            if let twin = sameWindow.first(where: { $0.offset < index && $0.element.limit.verdict == limit.verdict }) {
                let place = report.place(twin.element.position, seenFrom: position)
                report.warning(
                    at: position,
                    "a limit with verdict \(limit.verdict.name) over \(window) is already given in \(place); "
                        + "only the smaller max could ever matter")
            } else if let harsher = sameWindow.first(where: {
                $0.element.limit.verdict > limit.verdict && $0.element.limit.max <= limit.max
            }) {
                let other = harsher.element.limit
                report.warning(
                    at: position,
                    "wrong order: \(limit.verdict.name) at \(limit.max) never changes a verdict, because "
                        + "\(other.verdict.name) at \(other.max) over the same \(window) comes first; "
                        + "the harsher verdict needs the larger max")
            } else if let longer = limits.first(where: { limit.isIdle(beside: $0.limit) })?.limit {
                report.warning(
                    at: position,
                    "wrong order: \(limit.verdict.name) at \(limit.max) over \(window) never changes a verdict, because "
                        + "\(longer.verdict.name) at \(longer.max) over \(DurationText.spell(ms: longer.windowMs)) trips "
                        + "whenever it does; the longer window needs the larger max")
            }
        }
    }
}

extension Limit {
    /// Whether a limit over a longer window trips, at least as harshly, wherever this one does. Windows of much the
    /// same length are not compared: the shorter one's oldest slice may hold what the longer one has let go.
    fileprivate func isIdle(beside other: Limit) -> Bool {
        other.windowMs / 2 >= windowMs && other.max <= max && other.verdict >= verdict
    }
}
