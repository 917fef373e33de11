/// Everything found while one set of files is read. Its messages come out in the order of the files, whatever the
/// order of the checks, and bounded in number.
struct LimitsReport {
    /// More than this nobody reads at once.
    static let diagnosticsShown = 200
    /// More than this is only counted, so that a hostile file costs no memory.
    private static let findingsKept = 10_000

    private struct Findings {
        var kept: [(position: SourcePosition, message: String)] = []
        var count = 0

        mutating func add(_ position: SourcePosition, _ message: () -> String) {
            count += 1
            if kept.count < findingsKept { kept.append((position, message())) }
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
        var shown = sorted.prefix(Self.diagnosticsShown).map {
            diagnostic(severity, $0.element.position, $0.element.message)
        }
        if findings.count > shown.count, let next = sorted.dropFirst(shown.count).first?.element {
            shown.append(diagnostic(severity, next.position, "and \(findings.count - shown.count) more"))
        }
        return shown
    }

    private func diagnostic(
        _ severity: LimitsDiagnostic.Severity, _ position: SourcePosition, _ message: String
    ) -> LimitsDiagnostic {
        LimitsDiagnostic(
            severity: severity, file: files[position.file], line: position.line, column: position.column,
            message: message)
    }
}
