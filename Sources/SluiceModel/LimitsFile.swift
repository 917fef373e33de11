/// A limits file, or a directory of them read as one, parsed and checked.
public struct LimitsFile: Hashable, Sendable {
    /// In file order, which is the order in which trips are listed.
    public var rules: [Rule]
    /// What a reload away from this file may not change by accident.
    public var guardrails: Guardrails
    /// How a dimension's values are rewritten before anything looks at them; those that are not named stay as they are.
    public var normalizers: [String: Normalizer]
    /// Entities that are on a list whatever the limits say, in file order.
    public var lists: [FileListing]
    /// How long an `event_id` is remembered, in ms.
    public var eventMemoryMs: UInt64

    /// Ten minutes.
    public static let standardEventMemoryMs: UInt64 = 600_000

    public init(
        rules: [Rule], guardrails: Guardrails = Guardrails(), normalizers: [String: Normalizer] = [:],
        lists: [FileListing] = [], eventMemoryMs: UInt64 = standardEventMemoryMs
    ) {
        self.rules = rules
        self.guardrails = guardrails
        self.normalizers = normalizers
        self.lists = lists
        self.eventMemoryMs = eventMemoryMs
    }
}

/// One thing that is wrong with a limits file, or that looks wrong and is not.
public struct LimitsDiagnostic: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Severity: Sendable {
        case error
        case warning
    }

    public var severity: Severity
    public var file: String
    /// From 1.
    public var line: Int
    /// From 1, in characters.
    public var column: Int
    public var message: String

    public init(severity: Severity = .error, file: String, line: Int, column: Int, message: String) {
        self.severity = severity
        self.file = file
        self.line = line
        self.column = column
        self.message = message
    }

    /// `FILE:LINE:COLUMN: what is wrong`; a warning says so behind the position.
    public var description: String {
        let prefix = severity == .warning ? "warning: " : ""
        return "\(file):\(line):\(column): \(prefix)\(message)"
    }
}

/// All that is wrong with a limits file, in the order of the file.
public struct LimitsFileError: Error, Hashable, Sendable, CustomStringConvertible {
    public var diagnostics: [LimitsDiagnostic]

    public init(diagnostics: [LimitsDiagnostic]) {
        self.diagnostics = diagnostics
    }

    public var description: String { diagnostics.map(\.description).joined(separator: "\n") }
}
