import SluiceModel

/// What is kept for one rule and window on one tuple: a field of the entity's hash.
struct Cell: Hashable, Sendable {
    var measure: Measure
    /// What was counted with `measure`.
    var tally: Tally
    /// Which of the tally's lives this is: from its first pair or member until nothing is left. 0 while it is empty, and
    /// until it is kept for the first time.
    var life = 0
    /// By the verdict of the limit that started it.
    var blocks: [Verdict: Block] = [:]
    /// The windows in force on the tuple when the cell was last written.
    var inForce: Set<RuleWindow> = []

    init(measure: Measure, windowMs: UInt64) {
        self.measure = measure
        tally = Tally(measure, windowMs: windowMs)
    }

    var isEmpty: Bool { tally.isEmpty && blocks.isEmpty }

    /// The cell as a rule with `measure` reads it: what was counted with another one is nothing to it. Blocks are those
    /// of the rule and its window, whatever it measures.
    func read(as measure: Measure, windowMs: UInt64) -> Cell {
        guard measure != self.measure else { return self }
        var cell = Cell(measure: measure, windowMs: windowMs)
        cell.blocks = blocks
        return cell
    }
}

/// One window of one rule, whatever entity it is counted for.
public struct RuleWindow: Hashable, Sendable {
    public var rule: String
    public var windowMs: UInt64
}

/// One rule on one tuple.
struct TupleRule: Hashable, Sendable {
    var tuple: [ReferenceModel.Entity]
    var rule: String
}

/// Where a cell is kept.
struct CellKey: Hashable, Sendable {
    /// Sorted by dimension, so that the order in which a rule or a caller names them means nothing.
    let tuple: [ReferenceModel.Entity]
    let window: RuleWindow

    init(tuple: [ReferenceModel.Entity], window: RuleWindow) {
        self.tuple = tuple.sortedByDimension
        self.window = window
    }
}

/// Every cell, by tuple and then by rule and window, as Redis has them: a hash for each tuple.
struct Cells: Sendable {
    private var hashes: [[ReferenceModel.Entity]: [RuleWindow: Cell]] = [:]

    /// The cells of exactly this tuple.
    subscript(tuple tuple: [ReferenceModel.Entity]) -> [RuleWindow: Cell] {
        get { hashes[tuple] ?? [:] }
        set { hashes[tuple] = newValue.isEmpty ? nil : newValue }
    }

    subscript(key: CellKey) -> Cell? {
        get { hashes[key.tuple]?[key.window] }
        set {
            hashes[key.tuple, default: [:]][key.window] = newValue
            if hashes[key.tuple]?.isEmpty == true { hashes[key.tuple] = nil }
        }
    }
}

extension [ReferenceModel.Entity] {
    var sortedByDimension: Self { sorted { $0.dimension < $1.dimension } }
}

extension Rule {
    /// Those of its limits and of its overrides' limits.
    var windows: Set<RuleWindow> {
        let more = overrides.flatMap { override -> [Limit] in
            guard case .limits(let limits) = override.effect else { return [] }
            return limits
        }
        return Set((limits + more).map { RuleWindow(rule: name, windowMs: $0.windowMs) })
    }
}
