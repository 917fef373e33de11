import SluiceModel

/// Limits change live: a rule whose window is edited does not start from nothing.
extension ReferenceModel {
    /// The windows of all rules that count per these dimensions.
    func inForce(on tuple: [Entity]) -> Set<RuleWindow> {
        let dimensions = Set(tuple.map(\.dimension))
        return rules.filter { Set($0.per) == dimensions }.reduce(into: []) { $0.formUnion($1.windows) }
    }

    /// The counter as a request finds it before time is taken into account: the one that is kept, else one that starts
    /// from another window of the rule, else an empty one.
    func stored(_ key: CounterKey, _ applied: AppliedRule, atMs now: UInt64) -> Counter {
        if let stored = counters[key] { return stored.counter }
        var counter = Counter(windowMs: key.windowMs)
        guard let pairs = origin(of: key) else { return counter }
        counter.adopt(applied.resolution(windowMs: key.windowMs))
        for pair in pairs {
            // At the latest at the end of its old tick, and not after now unless all of it is.
            let (starts, ends) = (pair.tick * pair.tickMs, (pair.tick + 1) * pair.tickMs - 1)
            counter.add(pair.weight, atMs: max(starts, min(ends, now)))
        }
        return counter
    }

    /// Says that the requests from here on are decided by one script run, which reads once what counters start from.
    public mutating func beginRun() { asRead = counters }

    /// What another window of the rule holds: first those no longer in force, with all they have; then those that still
    /// are, with what was counted before this one was born. Of each kind the shortest that is at least as long, else the
    /// longest. Nil if none holds anything.
    private func origin(of key: CounterKey) -> [(tick: UInt64, tickMs: UInt64, weight: UInt64)]? {
        let inForce = inForce(on: key.tuple)
        let others = (asRead ?? counters).filter {
            $0.key.tuple == key.tuple && $0.key.rule == key.rule && $0.key.measure == key.measure
                && $0.key.windowMs != key.windowMs
        }
        let former = others.filter { !inForce.contains($0.key.window) }
        let present = others.filter { inForce.contains($0.key.window) }
        for (kind, isInForce) in [(former, false), (present, true)] {
            let longer = kind.filter { $0.key.windowMs >= key.windowMs }.sorted { $0.key.windowMs < $1.key.windowMs }
            let shorter = kind.filter { $0.key.windowMs < key.windowMs }.sorted { $0.key.windowMs > $1.key.windowMs }
            for (_, stored) in longer + shorter {
                var pairs = stored.counter.pairs.map { ($0.tick, stored.counter.tickMs, $0.weight) }
                if isInForce {
                    guard let birth = births[key.window] else { continue }
                    pairs.removeAll { $0.0 * $0.1 >= birth }
                }
                if !pairs.isEmpty { return pairs }
            }
        }
        return nil
    }

    /// Keeps a counter. What is out of force on its tuple goes, unless a counter of its rule may still start from it: one
    /// is not there yet, and none began with this request.
    mutating func write(_ counter: Counter, _ key: CounterKey) {
        let inForce = inForce(on: key.tuple)
        let before = counters[key]
        guard !counter.pairs.isEmpty else {
            counters[key] = nil
            return
        }
        counters[key] = StoredCounter(counter: counter, inForce: inForce)
        guard before?.inForce != inForce else { return }
        pendingSweeps.insert(key.tuple)
        if before == nil { begun.insert(TupleRule(tuple: key.tuple, rule: key.rule)) }
    }

    mutating func sweep() {
        for tuple in pendingSweeps {
            let inForce = inForce(on: tuple)
            let have = Set(counters.keys.lazy.filter { $0.tuple == tuple }.map(\.window))
            let awaited = Set(inForce.subtracting(have).map(\.rule))
            for key in counters.keys where key.tuple == tuple && !inForce.contains(key.window) {
                let hasBegun = begun.contains(TupleRule(tuple: tuple, rule: key.rule))
                if hasBegun || !awaited.contains(key.rule) { counters[key] = nil }
            }
        }
        pendingSweeps = []
        begun = []
    }
}
