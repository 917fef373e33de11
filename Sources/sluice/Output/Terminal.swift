import Glibc
import SluiceModel

/// What the standard output can show.
struct Terminal {
    var hasColour: Bool
    /// Whether it shows more than ASCII.
    var isUnicode = false

    /// Colour goes to a terminal alone, and not where `NO_COLOR` is set (no-color.org) or the terminal is dumb.
    static func standardOutput(environment: Environment) -> Terminal {
        let unwanted = environment["NO_COLOR"] != nil || environment["TERM"] == "dumb"
        let locale = environment["LC_ALL"] ?? environment["LC_CTYPE"] ?? environment["LANG"] ?? ""
        let words = locale.uppercased()
        return Terminal(
            hasColour: isatty(STDOUT_FILENO) == 1 && !unwanted,
            isUnicode: words.contains("UTF-8") || words.contains("UTF8"))
    }

    func coloured(_ text: String, _ colour: Colour?) -> String {
        guard hasColour, let colour, !text.isEmpty else { return text }
        return "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m"
    }
}

/// By its ANSI code.
enum Colour: Int {
    case bold = 1
    case faint = 2
    case red = 31
    case green = 32
    case yellow = 33
    case magenta = 35

    init(_ verdict: Verdict) {
        switch verdict {
        case .allow: self = .green
        case .review: self = .yellow
        case .challenge: self = .magenta
        case .deny: self = .red
        }
    }
}
