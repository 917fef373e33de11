import Glibc

/// Bytes to a file descriptor, gathered into large writes.
struct Output: ~Copyable {
    static let bufferBytes = 64 * 1024

    private let descriptor: Int32
    private let name: String
    private var buffer: [UInt8] = []

    /// - Parameter name: what failures call it.
    init(_ descriptor: Int32, name: String) {
        self.descriptor = descriptor
        self.name = name
    }

    mutating func write(_ bytes: some Sequence<UInt8>) throws(Failure) {
        buffer.append(contentsOf: bytes)
        if buffer.count >= Self.bufferBytes { try flush() }
    }

    /// - Throws: a `Failure` that says why the system refused.
    mutating func flush() throws(Failure) {
        var written = 0
        while written < buffer.count {
            let count = buffer.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress! + written, $0.count - written)
            }
            if count >= 0 {
                written += count
            } else if errno != EINTR {
                let reason = errno
                buffer.removeAll()
                // A reader that has seen enough needs no message.
                guard reason != EPIPE else { throw Failure(.internalFailure) }
                throw Failure(.internalFailure, "cannot write to \(name): \(String(cString: strerror(reason)))")
            }
        }
        buffer.removeAll(keepingCapacity: true)
    }

    static var standard: Output { Output(STDOUT_FILENO, name: "standard output") }

    /// Prints whole lines to the standard output at once.
    static func print(_ lines: [String]) throws(Failure) {
        try print(lines, to: .standard)
    }

    static func print(_ json: JSON) throws(Failure) {
        try print([json.line])
    }

    /// What cannot be said on the standard error cannot be said at all.
    static func printError(_ lines: String...) {
        try? print(lines, to: Output(STDERR_FILENO, name: "standard error"))
    }

    private static func print(_ lines: [String], to output: consuming Output) throws(Failure) {
        for line in lines {
            try output.write(line.utf8)
            try output.write(CollectionOfOne(UInt8(ascii: "\n")))
        }
        try output.flush()
    }
}
