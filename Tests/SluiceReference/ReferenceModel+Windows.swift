import SluiceModel

/// Limits change live: a rule whose window is edited does not start from nothing.
extension ReferenceModel {
    /// The windows of all rules that count per these dimensions.
    func inForce(on tuple: [Entity]) -> Set<RuleWindow> {
        let dimensions = Set(tuple.map(\.dimension))
        return rules.filter { Set($0.per) == dimensions }.reduce(into: []) { $0.formUnion($1.windows) }
    }

    /// The cell as a request finds it before time is taken into account: the one that is kept, else one that starts from
    /// another window of the rule, else an empty one.
    func stored(_ key: CellKey, _ applied: AppliedRule, atMs now: UInt64) -> Cell {
        let (measure, windowMs) = (applied.rule.measure, key.window.windowMs)
        if let stored = cells[key] { return stored.read(as: measure, windowMs: windowMs) }
        var cell = Cell(measure: measure, windowMs: windowMs)
        guard let origin = origin(of: key, measure) else { return cell }
        cell.blocks = origin.blocks
        switch origin.tally {
        case .weights(let old):
            var counter = Counter(windowMs: windowMs)
            counter.adopt(applied.resolution(windowMs: windowMs))
            for pair in old.pairs {
                // At the latest at the end of its old tick, and not after now unless all of it is.
                let (starts, ends) = (pair.tick * old.tickMs, (pair.tick + 1) * old.tickMs - 1)
                counter.add(pair.weight, atMs: max(starts, min(ends, now)))
            }
            cell.tally = .weights(counter)
        case .members(let old):
            cell.tally = .members(MemberSet(windowMs: windowMs, startingFrom: old))
        }
        return cell
    }

    /// Says that the requests from here on are decided by one script run, which reads once what counters start from.
    public mutating func beginRun() { asRead = cells }

    /// What another window of the rule holds: first those no longer in force, with all they have; then those that still
    /// are, with what was counted before this one was born and without their blocks. Of each kind the shortest that is at
    /// least as long, else the longest. Nil if none holds anything.
    private func origin(of key: CellKey, _ measure: Measure) -> (tally: Tally, blocks: [Verdict: Block])? {
        let inForce = inForce(on: key.tuple)
        let others = (asRead ?? cells)[tuple: key.tuple].filter {
            $0.key.rule == key.window.rule && $0.key != key.window
        }

        for (window, cell) in others.inOrder(for: key.window) where !inForce.contains(window) {
            let cell = cell.read(as: measure, windowMs: window.windowMs)
            if !cell.isEmpty { return (cell.tally, cell.blocks) }
        }
        guard let birth = births[key.window] else { return nil }
        for (window, cell) in others.inOrder(for: key.window) where inForce.contains(window) {
            var tally = cell.read(as: measure, windowMs: window.windowMs).tally
            tally.drop(fromMs: birth)
            if !tally.isEmpty { return (tally, [:]) }
        }
        return nil
    }

    /// Keeps a cell. What is out of force on its tuple goes, unless a cell of its rule may still start from it: one is not
    /// there yet, and none began with this request.
    mutating func write(_ cell: Cell, _ key: CellKey) {
        let before = cells[key]
        guard !cell.isEmpty else {
            cells[key] = nil
            return
        }
        var cell = cell
        if cell.tally.isEmpty {
            cell.life = 0
        } else if cell.life == 0 {
            lives += 1
            cell.life = lives
        }
        cell.inForce = inForce(on: key.tuple)
        cells[key] = cell
        guard before?.inForce != cell.inForce else { return }
        pendingSweeps.insert(key.tuple)
        if before == nil { begun.insert(TupleRule(tuple: key.tuple, rule: key.window.rule)) }
    }

    mutating func sweep() {
        for tuple in pendingSweeps {
            let inForce = inForce(on: tuple)
            let have = cells[tuple: tuple]
            let awaited = Set(inForce.subtracting(have.keys).map(\.rule))
            cells[tuple: tuple] = have.filter { window, _ in
                let hasBegun = begun.contains(TupleRule(tuple: tuple, rule: window.rule))
                return inForce.contains(window) || awaited.contains(window.rule) && !hasBegun
            }
        }
        pendingSweeps = []
        begun = []
    }
}

extension [RuleWindow: Cell] {
    /// What a cell over `window` would rather start from comes first: the shortest that is at least as long, else the
    /// longest.
    fileprivate func inOrder(for window: RuleWindow) -> [Element] {
        let longer = filter { $0.key.windowMs >= window.windowMs }.sorted { $0.key.windowMs < $1.key.windowMs }
        let shorter = filter { $0.key.windowMs < window.windowMs }.sorted { $0.key.windowMs > $1.key.windowMs }
        return longer + shorter
    }
}
