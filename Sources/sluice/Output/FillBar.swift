/// How full a limit is, drawn: `██████░░░░░░  50%`, or `[######------]  50%` where there are no blocks.
enum FillBar {
    static let width = 12

    /// Nothing that is not empty looks empty, and nothing looks full before it is. A maximum of 0 is always full.
    static func cell(_ used: UInt64, of max: UInt64, for terminal: Terminal) -> Table.Cell {
        let isFull = used >= max
        let share = isFull ? 1 : Double(used) / Double(max)
        let filled =
            isFull ? width : used == 0 ? 0 : Swift.max(1, Swift.min(width - 1, Int(share * Double(width) + 0.5)))
        let percent = percent(used, of: max)
        let padding = String(repeating: " ", count: Swift.max(0, 4 - percent.count))
        return Table.Cell(
            "\(drawn(filled, for: terminal)) \(padding)\(percent)",
            isFull ? .red : share >= 0.75 ? .yellow : .green
        )
    }

    private static func drawn(_ filled: Int, for terminal: Terminal) -> String {
        func run(_ mark: String, _ count: Int) -> String { String(repeating: mark, count: count) }
        guard terminal.drawsBlocks else { return "[\(run("#", filled))\(run("-", width - filled))]" }
        return run("\u{2588}", filled) + run("\u{2591}", width - filled)
    }

    /// Rounded down: 100% is full.
    private static func percent(_ used: UInt64, of max: UInt64) -> String {
        guard max > 0 else { return "100%" }
        let percent = Double(used) / Double(max) * 100
        return percent >= 1_000 ? ">999%" : "\(Int(percent))%"
    }
}
