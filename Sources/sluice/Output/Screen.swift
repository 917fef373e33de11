import Dispatch
import Glibc
import Synchronization

/// The terminal's second screen, where one picture is drawn over another. What stood on the terminal before comes back
/// with `leave`, which the end of the program calls too, however it comes about.
enum Screen {
    private struct State {
        /// What is shown; nil while the first screen is.
        var picture: [UInt8]?
        var isLeftAtExit = false
    }

    private static let state = Mutex(State())

    // The second screen, no cursor, and lines cut at the edge: a wrapped one would push the others away.
    private static let entering = "\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l"
    private static let leaving = "\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l"

    /// Replaces the picture. Lines that the terminal has no room for are counted in its last one.
    static func draw(_ lines: [String]) throws(Failure) {
        let picture = Array(picture(of: lines, rows: rows).utf8)
        try state.withLock { (state) throws(Failure) in
            var output = Output.standard
            if state.picture == nil {
                if !state.isLeftAtExit { atexit { Screen.leaveIfPossible() } }
                state.isLeftAtExit = true
                try output.write(entering.utf8)
            }
            state.picture = picture
            try output.write(picture)
            try output.flush()
        }
    }

    /// Back to the first screen. Does nothing the second time.
    static func leave() {
        state.withLock { leave(&$0) }
    }

    /// A picture that is being written and does not get through, to a terminal that is stopped, is no reason to stay.
    private static func leaveIfPossible() {
        _ = state.withLockIfAvailable { leave(&$0) }
    }

    private static func leave(_ state: inout State) {
        guard state.picture != nil else { return }
        state.picture = nil
        write(leaving.utf8)
    }

    /// Gives the terminal back while the program is suspended by Ctrl-Z, and takes it again afterwards.
    ///
    /// - Returns: what must be kept for as long as that is to be so.
    static func leavesWhenSuspended() -> any DispatchSourceSignal {
        signal(SIGTSTP, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: SIGTSTP, queue: .global())
        source.setEventHandler {
            state.withLock { state in
                if state.picture != nil { write(leaving.utf8) }
                // To this very thread: what follows must not run before all of the program has stopped.
                raise(SIGSTOP)
                if let picture = state.picture { write(Array(entering.utf8) + picture) }
            }
        }
        source.activate()
        return source
    }

    private static func write(_ bytes: some Sequence<UInt8>) {
        var output = Output.standard
        try? output.write(bytes)
        try? output.flush()
    }

    static func picture(of lines: [String], rows: Int?) -> String {
        var shown = lines
        if let rows, rows > 1, lines.count > rows {
            shown = lines.prefix(rows - 1) + ["... \(lines.count - rows + 1) more lines"]
        }
        // Line by line over the old picture, so that nothing flickers; then what is left of it goes.
        return "\u{1B}[H" + shown.map { $0 + "\u{1B}[K" }.joined(separator: "\n") + "\u{1B}[J"
    }

    /// Nil where the terminal does not tell.
    private static var rows: Int? {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0 else { return nil }
        return Int(size.ws_row)
    }
}
