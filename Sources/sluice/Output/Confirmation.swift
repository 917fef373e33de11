import Glibc

/// A question to the person at the terminal.
enum Confirmation {
    /// Whether there is somebody to ask.
    static var isPossible: Bool { isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1 }

    /// - Returns: whether the answer was yes; silence and the end of the input are no.
    static func ask(_ question: String) -> Bool {
        var output = Output(STDERR_FILENO, name: "standard error")
        try? output.write("\(question) [y/N] ".utf8)
        try? output.flush()
        let answer = readLine()?.lowercased().filter { !$0.isWhitespace }
        return answer == "y" || answer == "yes"
    }
}
