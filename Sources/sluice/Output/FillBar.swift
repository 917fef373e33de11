/// How full something is, in ten cells: `████▌·····`, or `####......` where the terminal has no such signs.
enum FillBar {
    private static let cells = 10
    private static let eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]

    static func text(_ used: UInt64, of max: UInt64, isUnicode: Bool) -> String {
        // What cannot be exceeded is full from the start.
        let isFull = used >= max
        let share = isFull ? 1 : Double(used) / Double(max)
        if isUnicode {
            // Full only when it is: the last eighth stays free until then.
            let parts = !isFull ? min(Int(share * Double(cells * 8)), cells * 8 - 1) : cells * 8
            let bar = String(repeating: "█", count: parts / 8) + eighths[parts % 8]
            return bar + String(repeating: "·", count: cells - bar.count)
        }
        let whole = !isFull ? min(Int(share * Double(cells)), cells - 1) : cells
        return String(repeating: "#", count: whole) + String(repeating: ".", count: cells - whole)
    }
}
