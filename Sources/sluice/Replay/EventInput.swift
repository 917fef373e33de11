import Glibc

/// Bytes from a file or a pipe, in large pieces.
struct EventInput: ~Copyable {
    private static let chunkBytes = 64 * 1024

    private let descriptor: Int32
    private let name: String
    private var chunk = [UInt8](repeating: 0, count: chunkBytes)

    /// - Parameter name: what failures call it.
    init(_ descriptor: Int32, name: String) {
        self.descriptor = descriptor
        self.name = name
    }

    /// Whether a read would wait for whoever writes.
    var isDry: Bool { isDry(afterMs: 0) }

    private func isDry(afterMs wait: Int32) -> Bool {
        var query = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&query, 1, wait) == 0
    }

    /// The next bytes, up to 64 KiB, or nil at the end. Blocks, until the program is interrupted.
    mutating func read() throws(Failure) -> ArraySlice<UInt8>? {
        while true {
            if Interruption.signal != nil { throw Failure(.internalFailure, "interrupted") }
            if isDry(afterMs: 100) { continue }
            let count = chunk.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count > 0 { return chunk[..<count] }
            if count == 0 { return nil }
            guard errno == EINTR else {
                throw Failure(.badData, "cannot read \(name.printable): \(String(cString: strerror(errno)))")
            }
        }
    }
}
