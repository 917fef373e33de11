extension LimitsReader {
    enum LimitKey: String, CaseIterable {
        case max, window, verdict
        case blockFor = "block_for"
    }

    struct PlacedLimit {
        var limit: Limit
        var position: SourcePosition
        var maxPosition: SourcePosition
        var blockForPosition: SourcePosition?
    }

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
        let limits = items.compactMap(readLimit)
        limitsOfRule += limits
        warnOfIdleLimits(Array(limits.prefix(Caps.limitsPerRule)))
        return limits.map(\.limit)
    }

    private func readLimit(_ node: YAMLNode) -> PlacedLimit? {
        guard
            let entries = entries(
                of: node, keys: LimitKey.self, what: "a limit", hint: "; write { max: 5, window: 10m }")
        else { return nil }
        var maximum: UInt64?
        var maximumText = ""
        var window: (ms: UInt64, text: String)?
        var verdict: Verdict? = .deny
        var blockForMs: [UInt64]? = []
        for entry in entries {
            switch entry.key {
            case .max:
                maximum = integer(entry.value, name: "max", in: 0...Caps.exactInteger)
                if case .scalar(let text, _) = entry.value.content { maximumText = text }
            case .window: window = duration(entry.value, name: "window", in: 1...Caps.windowMs)
            case .verdict: verdict = limitVerdict(entry.value)
            case .blockFor: blockForMs = readBlockFor(entry.value)
            case nil: break
            }
        }
        let keys = Set(entries.compactMap(\.key))
        for key in [LimitKey.max, .window] where node.isComplete && !keys.contains(key) {
            report.error(
                at: node.position, "this limit has no \"\(key.rawValue)\", as in \"{ max: 5, window: 10m }\"")
        }
        guard let maximum, let window, let verdict, let blockForMs else { return nil }
        let limit = Limit(
            max: maximum, windowMs: window.ms, verdict: verdict, text: "\(maximumText) per \(window.text)",
            blockForMs: blockForMs)
        func position(of key: LimitKey) -> SourcePosition? { entries.first { $0.key == key }?.value.position }
        return PlacedLimit(
            limit: limit, position: node.position, maxPosition: position(of: .max) ?? node.position,
            blockForPosition: position(of: .blockFor))
    }

    /// One length of time, or a list of them: the steps of an escalation.
    private func readBlockFor(_ node: YAMLNode) -> [UInt64]? {
        let name = LimitKey.blockFor.rawValue
        guard let items = oneOrMore(node, name: name, of: "duration") else { return nil }
        if items.count > Caps.blockSteps {
            report.error(at: items[Caps.blockSteps].position, "more than 8 steps; this is the first one too many")
        }
        let steps = items.compactMap { duration($0, name: name, in: 1...Caps.windowMs)?.ms }
        return steps.count == items.count ? steps : nil
    }

    /// Checks what limits say against the whole of their rule.
    func checkLimits(of draft: RuleDraft) {
        for placed in limitsOfRule {
            if draft.measure?.distinctDimension != nil, placed.limit.max > Caps.distinctMax {
                report.error(
                    at: placed.maxPosition,
                    "\"max\" of a distinct limit can be at most 10000, because every value is remembered; write a "
                        + "smaller one")
            }
            if draft.shadow, let position = placed.blockForPosition {
                report.warning(
                    at: position, "a shadow rule blocks nobody; its \"block_for\" starts blocks once it is enforced")
            }
        }
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
        for (index, placed) in limits.enumerated() {
            let (limit, position) = (placed.limit, placed.position)
            let sameWindow = limits.enumerated().filter { $0.element.limit.windowMs == limit.windowMs }
            let window = DurationText.spell(ms: limit.windowMs)
            if let twin = sameWindow.first(where: { $0.offset < index && $0.element.limit.verdict == limit.verdict }) {
                warnOfTwins(placed, twin.element)
            } else if !limit.blockForMs.isEmpty {
                // What it starts may outlast the harsher verdict.
                continue
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

    /// Of two limits over one window with one verdict, the one with the larger max does nothing, unless it blocks.
    private func warnOfTwins(_ limit: PlacedLimit, _ earlier: PlacedLimit) {
        let verdict = limit.limit.verdict.name
        let window = DurationText.spell(ms: limit.limit.windowMs)
        let place = report.place(earlier.position, seenFrom: limit.position)
        let isLater = limit.limit.max >= earlier.limit.max
        let (larger, smaller) = isLater ? (limit.limit, earlier.limit) : (earlier.limit, limit.limit)
        if larger.blockForMs.isEmpty || larger.max == smaller.max && smaller.blockForMs.isEmpty {
            report.warning(
                at: limit.position,
                "a limit with verdict \(verdict) over \(window) is already given in \(place); "
                    + "only the smaller max could ever matter")
        } else if !smaller.blockForMs.isEmpty {
            report.warning(
                at: limit.position,
                "a limit with verdict \(verdict) over \(window) is already given in \(place), and both have "
                    + "\"block_for\"; they share one block, which the first to trip starts, so give one of them "
                    + "another window")
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
