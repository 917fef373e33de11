import Foundation

/// A terminal that a test sits at, with a program running on it.
final class PseudoTerminal {
    struct Problem: Error, CustomStringConvertible {
        var description: String
    }

    let process: Process
    private let master: Int32
    private let slave: FileHandle
    /// All that the program has written so far.
    private(set) var output = ""

    /// Starts `sluice` with the terminal as its input, output and errors.
    init(
        _ arguments: String...,
        rows: UInt16 = 40,
        environment: [String: String] = [:]
    ) throws {
        var (master, slave): (Int32, Int32) = (-1, -1)
        var size = winsize(ws_row: rows, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0)
        guard openpty(&master, &slave, nil, nil, &size) == 0 else {
            throw Problem(description: "no pseudo-terminal: \(String(cString: strerror(errno)))")
        }
        for descriptor in [master, slave] { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        self.master = master
        self.slave = FileHandle(fileDescriptor: slave, closeOnDealloc: true)
        _ = fcntl(master, F_SETFL, O_NONBLOCK)
        let defaults = ["TERM": "xterm", "LANG": "C.UTF-8", "NO_COLOR": "1"]
        process = Program.sluice.process(arguments, environment: defaults.merging(environment) { _, own in own })
        process.standardInput = self.slave
        process.standardOutput = self.slave
        process.standardError = self.slave
        try process.run()
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
        close(master)
    }

    func type(_ text: String) {
        let bytes = Array(text.utf8)
        _ = write(master, bytes, bytes.count)
    }

    func signal(_ number: Int32) { kill(process.processIdentifier, number) }

    /// Reads until the output satisfies `condition`, at most 20 seconds.
    ///
    /// - Throws: a `Problem` with the output if it never does.
    func wait(until condition: (String) -> Bool) throws {
        for _ in 0..<400 {
            readWhatIsThere(waitingMs: 50)
            if condition(output) { return }
        }
        throw Problem(description: "never came; the output was: \(output.debugDescription)")
    }

    /// Waits until the program has stopped, as a shell does before it lets it go on: a SIGCONT before that is lost.
    func waitUntilStopped() throws {
        let status = "/proc/\(process.processIdentifier)/status"
        for _ in 0..<400 {
            let text = (try? String(contentsOfFile: status, encoding: .utf8)) ?? ""
            if text.contains("State:\tT") { return }
            usleep(50_000)
        }
        throw Problem(description: "it did not stop")
    }

    /// Waits for the program's end, at most 20 seconds.
    func exitStatus() throws -> Int32 {
        for _ in 0..<400 {
            readWhatIsThere(waitingMs: process.isRunning ? 50 : 0)
            guard process.isRunning else { return process.terminationStatus }
        }
        throw Problem(description: "still running; the output was: \(output.debugDescription)")
    }

    private func readWhatIsThere(waitingMs: Int32) {
        var input = pollfd(fd: master, events: Int16(POLLIN), revents: 0)
        guard poll(&input, 1, waitingMs) > 0 else { return }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(master, &buffer, buffer.count)
            guard count > 0 else { return }
            output += String(decoding: buffer[..<count], as: UTF8.self)
        }
    }
}
