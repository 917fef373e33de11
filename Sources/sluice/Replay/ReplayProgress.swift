import Glibc

/// One line on a terminal that says how far a replay is, once it takes more than a second.
struct ReplayProgress: ~Copyable {
    private static let interval = Duration.milliseconds(250)
    private static let patience = Duration.seconds(1)

    private let isShown = isatty(STDERR_FILENO) == 1
    private let start = ContinuousClock.now
    private var next = ContinuousClock.now + patience
    private var isOnScreen = false

    mutating func update(lines: UInt64) {
        guard isShown else { return }
        let now = ContinuousClock.now
        guard now >= next else { return }
        next = now + Self.interval
        isOnScreen = true
        let perSecond = Double(lines) / ((now - start) / .seconds(1))
        write("\r\(NumberWords.grouped(lines)) events, \(NumberWords.fixed(perSecond, digits: 0)) a second\u{1B}[K")
    }

    /// Clears the line.
    deinit {
        if isOnScreen { write("\r\u{1B}[K") }
    }

    private func write(_ text: String) {
        var output = Output(STDERR_FILENO, name: "standard error")
        try? output.write(text.utf8)
        try? output.flush()
    }
}
