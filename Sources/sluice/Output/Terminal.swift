import Glibc
import SluiceModel

/// What the standard output can show.
struct Terminal {
    var hasColour: Bool
    /// Whether block elements come out as such: a terminal in a UTF-8 locale.
    var drawsBlocks = false
    /// Whether a picture can be drawn over the one before: a terminal that is not dumb.
    var isScreen = false

    /// Colour goes to a terminal alone, and not where `NO_COLOR` is set (no-color.org) or the terminal is dumb.
    static func standardOutput(environment: Environment) -> Terminal {
        let isScreen = isatty(STDOUT_FILENO) == 1 && environment["TERM"] != "dumb"
        return Terminal(
            hasColour: isScreen && environment["NO_COLOR"] == nil,
            drawsBlocks: isScreen && isUTF8(environment),
            isScreen: isScreen
        )
    }

    /// The first of these variables that is set decides, as in setlocale(3).
    private static func isUTF8(_ environment: Environment) -> Bool {
        let locale = environment["LC_ALL"] ?? environment["LC_CTYPE"] ?? environment["LANG"] ?? ""
        let name = locale.lowercased()
        return name.contains("utf-8") || name.contains("utf8")
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
