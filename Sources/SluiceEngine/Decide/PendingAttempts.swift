import SluiceModel

/// Attempts that were refused from the deny cache and that Redis has yet to count, added up by entity and rule.
///
/// A few hundred at most, found by a walk over their hashes: more than that in one `patience` go to Redis themselves.
struct PendingAttempts {
    static let most = 256

    /// The attempts of one entity that one rule counts.
    struct Entry {
        var use: RuleUse
        /// Added up.
        var cost: UInt64
        var amount: UInt64
        var attempts: Int
    }

    private(set) var entries: [Entry] = []
    private var hashes: [UInt64] = []
    private var bytes: [UInt8] = []
    /// Where each key ends in `bytes`.
    private var ends: [Int] = []
    /// Those not yet handed over.
    private(set) var attempts = 0

    var isEmpty: Bool { attempts == 0 }

    func withKey<Result>(of entry: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let range = (entry == 0 ? 0 : ends[entry - 1])..<ends[entry]
        return bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[range])) }
    }

    /// Whether `add` would find room, and its sums stay within what one request can ask for.
    ///
    /// - Parameter others: how many are to be added before it.
    func hasRoom(
        _ key: UnsafeRawBufferPointer, _ hash: UInt64, _ use: RuleUse, cost: UInt64, amount: UInt64, beside others: Int
    ) -> Bool {
        guard let entry = find(key, hash, use) else {
            return entries.count + others < Self.most && key.count <= RefusalCache.longestKey
        }
        return cost <= Caps.cost - entries[entry].cost && amount <= Caps.exactInteger - entries[entry].amount
    }

    /// Adds an attempt, which has room.
    mutating func add(_ key: UnsafeRawBufferPointer, _ hash: UInt64, _ use: RuleUse, cost: UInt64, amount: UInt64) {
        attempts += 1
        if let entry = find(key, hash, use) {
            entries[entry].cost += cost
            entries[entry].amount += amount
            entries[entry].attempts += 1
            return
        }
        var use = use
        use.judges = false
        entries.append(Entry(use: use, cost: cost, amount: amount, attempts: 1))
        hashes.append(hash)
        bytes.append(contentsOf: key)
        ends.append(bytes.count)
    }

    /// Takes out what is pending of one entry, nil if nothing is.
    mutating func take(_ entry: Int) -> Entry? {
        guard entries[entry].attempts > 0 else { return nil }
        let taken = entries[entry]
        attempts -= taken.attempts
        (entries[entry].cost, entries[entry].amount, entries[entry].attempts) = (0, 0, 0)
        return taken
    }

    mutating func removeAll() {
        entries.removeAll(keepingCapacity: true)
        hashes.removeAll(keepingCapacity: true)
        bytes.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        attempts = 0
    }

    /// Whether an entry is of the entity hash `key`, whatever its variant.
    func isOf(_ entry: Int, _ key: UnsafeRawBufferPointer, _ hash: UInt64) -> Bool {
        hashes[entry] == hash && withKey(of: entry) { $0.elementsEqual(key) }
    }

    private func find(_ key: UnsafeRawBufferPointer, _ hash: UInt64, _ use: RuleUse) -> Int? {
        for entry in hashes.indices where hashes[entry] == hash {
            if entries[entry].use.variant == use.variant, isOf(entry, key, hash) { return entry }
        }
        return nil
    }
}
