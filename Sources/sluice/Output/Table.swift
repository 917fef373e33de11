import SluiceModel

/// Columns of text, each as wide as its widest cell; nothing is cut off.
struct Table {
    enum Alignment {
        case left
        case right
    }

    struct Cell: ExpressibleByStringInterpolation {
        var text: String
        var colour: Colour?

        init(_ text: String, _ colour: Colour? = nil) {
            self.text = text
            self.colour = colour
        }

        init(stringLiteral text: String) {
            self.init(text)
        }

        init(_ verdict: Verdict) {
            self.init(verdict.name, Colour(verdict))
        }
    }

    private let headings: [String]
    private let alignments: [Alignment]
    private var rows: [[Cell]] = []

    /// A heading that begins with a space is of a column of numbers: `" USED"` is printed as `USED`, to the right.
    init(_ headings: String...) {
        self.headings = headings.map { $0.hasPrefix(" ") ? String($0.dropFirst()) : $0 }
        alignments = headings.map { $0.hasPrefix(" ") ? .right : .left }
    }

    var isEmpty: Bool { rows.isEmpty }

    /// - Parameter cells: one for each column.
    mutating func add(_ cells: Cell...) {
        precondition(cells.count == headings.count)
        rows.append(cells)
    }

    /// The lines, headings first; a column that is empty in every row is left out.
    ///
    /// - Parameter indent: spaces before each line.
    func lines(for terminal: Terminal, indent: Int = 0) -> [String] {
        let columns = headings.indices.filter { column in rows.contains { !$0[column].text.isEmpty } }
        let all = [headings.map { Cell($0, .faint) }] + rows
        let widths = headings.indices.map { column in all.map { $0[column].text.count }.max() ?? 0 }
        return all.map { row in
            var line = String(repeating: " ", count: indent)
            for column in columns {
                let cell = row[column]
                let padding = String(repeating: " ", count: widths[column] - cell.text.count)
                let text = terminal.coloured(cell.text, cell.colour)
                line += alignments[column] == .right ? padding + text : text + padding
                if column != columns.last { line += "  " }
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}
