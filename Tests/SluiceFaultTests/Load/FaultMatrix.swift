import Foundation
import Synchronization

/// The table of what was seen, `.build/fault-matrix.md`: a line for each row that has run, in their order.
enum FaultMatrix {
    struct Row {
        var number: Int
        var fault: String
        var expected: String
        var seen: String
        /// Nil: nothing to recover from.
        var recoveryMs: Double?

        fileprivate var line: String {
            let recovery = recoveryMs.map { "\(Int($0.rounded()))" } ?? "-"
            return "| \(number) | \(fault) | \(expected) | \(seen) | \(recovery) |"
        }
    }

    private static let lock = Mutex(())
    static let path: String = {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        return root.appendingPathComponent(".build/fault-matrix.md").path
    }()
    private static let head = ["| # | fault | expected | seen | recovery, ms |", "| --- | --- | --- | --- | --- |"]

    /// Prints a row and puts it in the file, in place of what stood there of an earlier run.
    static func record(_ row: Row) {
        print(
            "row \(row.number) | \(row.fault) | \(row.expected) | \(row.seen) | "
                + (row.recoveryMs.map { "\(Int($0.rounded()))" } ?? "-"))
        lock.withLock { _ in
            let old = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
            var lines: [Int: String] = [:]
            for line in old.split(separator: "\n") {
                let cells = line.split(separator: "|")
                guard let number = cells.first.flatMap({ Int($0.trimmingCharacters(in: .whitespaces)) }) else {
                    continue
                }
                lines[number] = String(line)
            }
            lines[row.number] = row.line
            let table = head + lines.keys.sorted().compactMap { lines[$0] }
            try? (table.joined(separator: "\n") + "\n").write(toFile: path, atomically: true, encoding: .utf8)
        }
    }
}
