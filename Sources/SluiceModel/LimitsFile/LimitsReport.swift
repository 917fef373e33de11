/// Everything found while one set of files is read. Its messages come out in the order of the files, whatever the
/// order of the checks, and bounded in number.
struct LimitsReport {
    /// More than this nobody reads at once.
    static let diagnosticsShown = 200
    /// More than this is only counted, so that a hostile file costs no memory.
    private static let findingsKept = 2_000

    private struct Finding: Hashable {
        var position: SourcePosition
        var message: String
    }

    private struct Findings {
        var kept: [Finding] = []
        var count = 0

        mutating func add(_ position: SourcePosition, _ message: () -> String) {
            count += 1
            if kept.count < findingsKept { kept.append(Finding(position: position, message: message())) }
        }
    }

    /// What messages call the files.
    private let files: [String]
    private var errors = Findings()
    private var warnings = Findings()

    init(files: [String]) {
        self.files = files
    }

    var hasErrors: Bool { errors.count > 0 }

    /// From here on a message would be counted and not kept, so that nothing need be spent on its words.
    var isFull: Bool { errors.count >= Self.findingsKept }

    mutating func error(at position: SourcePosition, _ message: @autoclosure () -> String) {
        errors.add(position, message)
    }

    mutating func warning(at position: SourcePosition, _ message: @autoclosure () -> String) {
        warnings.add(position, message)
    }

    /// A position for a message in another place: the line, with the file if that is another one.
    func place(_ position: SourcePosition, seenFrom other: SourcePosition) -> String {
        position.file == other.file ? "line \(position.line)" : "\(files[position.file]):\(position.line)"
    }

    func diagnostics(_ severity: LimitsDiagnostic.Severity) -> [LimitsDiagnostic] {
        let findings = severity == .error ? errors : warnings
        // Of two messages for one place, the first found comes first.
        let sorted = findings.kept.enumerated().sorted {
            ($0.element.position, $0.offset) < ($1.element.position, $1.offset)
        }
        // What an alias repeats is said once.
        var seen: Set<Finding> = []
        let distinct = sorted.map(\.element).filter { seen.insert($0).inserted }
        let left = findings.count - sorted.count + distinct.count - Self.diagnosticsShown
        var shown = Array(distinct.prefix(Self.diagnosticsShown))
        if left > 0, let next = distinct.dropFirst(shown.count).first {
            shown.append(Finding(position: next.position, message: "and \(left) more"))
        }
        return shown.map {
            LimitsDiagnostic(
                severity: severity, file: files[$0.position.file], line: $0.position.line, column: $0.position.column,
                message: $0.message)
        }
    }
}
