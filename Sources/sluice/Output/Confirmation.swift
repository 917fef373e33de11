import Glibc

/// A question to whoever sits at the terminal.
enum Confirmation {
    /// Whether there is anyone: questions go out on the standard error, answers come in on the standard input.
    static var isPossible: Bool { isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1 }

    /// What is read of an answer, in bytes; the rest is for the next reader.
    private static let longestAnswer = 256

    /// Asks, and waits for a line for as long as it takes. All but `y` and `yes` is a no, the end of the input too.
    ///
    /// - Throws: `CancellationError` when the program is interrupted.
    static func ask(_ question: String) throws -> Bool {
        var output = Output(STDERR_FILENO, name: "standard error")
        try output.write("\(question) [y/N] ".utf8)
        try output.flush()
        var answer: [UInt8] = []
        while answer.last != UInt8(ascii: "\n"), answer.count < longestAnswer {
            var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
            // In short turns, because a signal has to be noticed.
            let ready = poll(&input, 1, 100)
            try Task.checkCancellation()
            guard ready > 0 else { continue }
            var byte: UInt8 = 0
            let count = read(STDIN_FILENO, &byte, 1)
            if count < 0, errno == EINTR { continue }
            guard count == 1 else {
                // Nobody pressed Enter: what follows starts on a line of its own.
                Output.printError("")
                return false
            }
            answer.append(byte)
        }
        let words = String(decoding: answer, as: UTF8.self).lowercased()
        return ["y\n", "yes\n"].contains(words)
    }
}
