extension LimitsChange {
    /// What becomes different when `new` takes the place of `old`: rules in the order of `new`, then those that went.
    /// Empty if nothing does.
    public static func changes(from old: LimitsFile, to new: LimitsFile) -> [LimitsChange] {
        let former = Dictionary(uniqueKeysWithValues: old.rules.map { ($0.name, $0) })
        let kept = Set(new.rules.map(\.name)).intersection(former.keys)
        var gone = old.rules.filter { !kept.contains($0.name) }
        var changes: [LimitsChange] = []
        for rule in new.rules {
            if let before = former[rule.name] {
                changes += Self.changes(from: before, to: rule)
            } else if let index = gone.firstIndex(where: { $0.isRenamed(to: rule) }) {
                let before = gone.remove(at: index).name
                changes.append(
                    LimitsChange(
                        .ruleRenamed, rule.name, "renamed from \(before): counters of \(before) are no longer used",
                        from: before, to: rule.name, .startsEmpty))
            } else {
                let limits = Words.list(rule.limits.map(\.fullWords))
                changes.append(
                    LimitsChange(
                        .ruleAdded, rule.name, "new rule, \(limits) \(Self.per(rule))", to: limits, .startsEmpty))
            }
        }
        for rule in gone {
            let limits = Words.list(rule.limits.map(\.fullWords))
            changes.append(LimitsChange(.ruleRemoved, rule.name, "removed", from: limits, .countersUnused))
        }
        if new.rules.map(\.name).filter(kept.contains) != old.rules.map(\.name).filter(kept.contains) {
            changes.append(LimitsChange(.order, nil, "the rules stand in another order", .listing))
        }
        changes += fileWide(from: old, to: new)
        if old.guardrails != new.guardrails {
            let (before, after) = (words(old.guardrails), words(new.guardrails))
            changes.append(
                LimitsChange(.guardrails, nil, "reload: \(before) → \(after)", from: before, to: after, .nextReload))
        }
        return changes
    }

    /// What became of one rule.
    private static func changes(from old: Rule, to new: Rule) -> [LimitsChange] {
        guard old != new else { return [] }
        let name = new.name
        var changes: [LimitsChange] = []
        func compare(_ kind: Kind, _ word: String, _ before: String, _ after: String, _ effect: Effect = .atOnce) {
            guard before != after else { return }
            changes.append(
                LimitsChange(kind, name, "\(word)\(before) → \(after)", from: before, to: after, effect))
        }
        compare(.check, "check ", Words.patterns(old.check), Words.patterns(new.check))
        // A file that gives no count counts what it checks: one edit, told once.
        let follows = old.count == old.check && new.count == new.check
        if !follows { compare(.count, "count ", Words.patterns(old.count), Words.patterns(new.count)) }
        compare(.per, "", per(old), per(new), .startsEmpty)
        compare(.when, "when ", when(old), when(new))
        compare(.measure, "measure ", old.measure.name, new.measure.name, .startsEmpty)
        compare(.counting, "counting ", "\(old.counting)", "\(new.counting)")
        compare(.shadow, "", old.shadow ? "shadow" : "enforced", new.shadow ? "shadow" : "enforced")
        compare(.onRedisFailure, "on_redis_failure ", old.onRedisFailure.rawValue, new.onRedisFailure.rawValue)
        compare(.exactUpTo, "exact_up_to ", "\(old.exactUpTo)", "\(new.exactUpTo)", .nextWrite)
        compare(.slices, "slices ", "\(old.slices)", "\(new.slices)", .whenEmpty)
        let windows = Set(old.limits.map(\.windowMs))
        let startsEmpty = Set(old.per) != Set(new.per) || old.measure != new.measure
        for pair in LimitPair.all(of: old, and: new) {
            changes += words(of: pair, in: name, windows: windows, startsEmpty: startsEmpty)
        }
        changes += overrides(from: old, to: new)
        let keys = (old.notes + new.notes).map(\.key).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
        for key in keys {
            let before = old.notes.first { $0.key == key }.map { quoted($0.text) }
            let after = new.notes.first { $0.key == key }.map { quoted($0.text) }
            compare(.note, "\(key) ", before ?? "none", after ?? "none", .noDecision)
        }
        return changes
    }

    private static func words(
        of pair: LimitPair, in name: String, windows: Set<UInt64>, startsEmpty: Bool
    ) -> [LimitsChange] {
        switch pair.limits {
        case .added(let limit):
            let effect: Effect =
                startsEmpty ? .startsEmpty : windows.contains(limit.windowMs) ? .atOnce : .fromOtherWindows
            let words = limit.fullWords
            return [LimitsChange(.limitAdded, name, "\(pair.place)new limit \(words)", to: words, effect)]
        case .removed(let limit):
            let words = limit.fullWords
            return [LimitsChange(.limitRemoved, name, "\(pair.place)limit \(words)", from: words, .noLongerHolds)]
        case .changed(let old, let new):
            return words(from: old, to: new, in: name, place: pair.place, startsEmpty: startsEmpty)
        }
    }

    private static func words(
        from old: Limit, to new: Limit, in name: String, place: String, startsEmpty: Bool
    ) -> [LimitsChange] {
        var changes: [LimitsChange] = []
        let window = (DurationText.spell(ms: old.windowMs), DurationText.spell(ms: new.windowMs))
        let moved: Effect = startsEmpty ? .startsEmpty : .fromOldWindow
        switch (old.max == new.max, old.windowMs == new.windowMs) {
        case (true, true): break
        case (false, true):
            changes.append(
                LimitsChange(
                    .max, name, "\(place)\(old.max) → \(new.max) per \(window.1)",
                    from: old.words, to: new.words, .atOnce))
        case (true, false):
            changes.append(
                LimitsChange(
                    .window, name, "\(place)window \(window.0) → \(window.1)", from: old.words, to: new.words, moved))
        case (false, false):
            changes.append(
                LimitsChange(
                    .window, name, "\(place)\(old.words) → \(new.words)", from: old.words, to: new.words, moved))
        }
        if old.verdict != new.verdict {
            changes.append(
                LimitsChange(
                    .verdict, name, "\(place)\(new.words) gives \(old.verdict.name) → \(new.verdict.name)",
                    from: old.verdict.name, to: new.verdict.name, .atOnce))
        }
        if old.blockForMs != new.blockForMs {
            let (before, after) = (old.blockWords, new.blockWords)
            changes.append(
                LimitsChange(
                    .blockFor, name, "\(place)\(new.words) blocks for \(before) → \(after)",
                    from: before, to: after, .nextBlock))
        }
        return changes
    }

    /// Overrides that came, went, or changed whom they are for or whether they exempt.
    private static func overrides(from old: Rule, to new: Rule) -> [LimitsChange] {
        let former = Dictionary(old.overrides.map { ($0.conditions, $0.effect) }) { first, _ in first }
        let latter = Dictionary(new.overrides.map { ($0.conditions, $0.effect) }) { first, _ in first }
        var changes: [LimitsChange] = []
        var gone = old.overrides.filter { latter[$0.conditions] == nil }
        for override in new.overrides {
            let whom = Words.conditions(override.conditions)
            if let before = former[override.conditions] {
                let (a, b) = (words(before), words(override.effect))
                switch (before, override.effect) {
                case (.limits, .limits), (.exempt, .exempt): break
                case (.limits, .exempt), (.exempt, .limits):
                    changes.append(
                        LimitsChange(.override, new.name, "override \(whom): \(a) → \(b)", from: a, to: b, .atOnce))
                }
                continue
            }
            let twin = gone.firstIndex {
                $0.effect == override.effect && $0.conditions.map(\.dimension) == override.conditions.map(\.dimension)
            }
            if let twin {
                let before = Words.conditions(gone.remove(at: twin).conditions)
                changes.append(
                    LimitsChange(
                        .overrideValues, new.name, "override for \(before) → \(whom)", from: before, to: whom, .atOnce))
            } else {
                let effect = words(override.effect)
                changes.append(
                    LimitsChange(.overrideAdded, new.name, "new override \(whom): \(effect)", to: effect, .atOnce))
            }
        }
        for override in gone {
            let whom = Words.conditions(override.conditions)
            changes.append(
                LimitsChange(
                    .overrideRemoved, new.name, "override \(whom)", from: words(override.effect), .noLongerHolds))
        }
        return changes
    }

    // MARK: - Words

    private static func per(_ rule: Rule) -> String {
        rule.per.isEmpty ? "for all together" : "per \(rule.per.joined(separator: ", "))"
    }

    private static func when(_ rule: Rule) -> String {
        rule.when.isEmpty ? "always" : Words.conditions(rule.when)
    }

    private static func words(_ effect: Override.Effect) -> String {
        switch effect {
        case .exempt: "exempt"
        case .limits(let limits): Words.list(limits.map(\.fullWords))
        }
    }

    private static func words(_ guardrails: Guardrails) -> String {
        var words: [String] = []
        if let change = guardrails.maxLimitChange { words.append("max_limit_change \(Words.factor(change))") }
        if let removed = guardrails.maxRulesRemoved { words.append("max_rules_removed \(removed)%") }
        return words.isEmpty ? "no guardrails" : words.joined(separator: ", ")
    }
}

extension Rule {
    /// Whether nothing but the name is different.
    fileprivate func isRenamed(to other: Rule) -> Bool {
        var renamed = self
        renamed.name = other.name
        return renamed == other
    }
}
