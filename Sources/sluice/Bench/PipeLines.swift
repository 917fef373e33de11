import Foundation

/// The lines that another program writes to a pipe, as they come.
struct PipeLines {
    /// A longer line never ends.
    private static let longestLine = 1 << 20

    private let descriptor: Int32
    private var buffer: [UInt8] = []

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// The next line; nil if it does not come in time, or never will.
    mutating func next(within patience: Duration) -> String? {
        let end = ContinuousClock.now + patience
        while true {
            if let feed = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                defer { buffer.removeFirst(feed + 1) }
                return String(decoding: buffer[..<feed], as: UTF8.self)
            }
            guard buffer.count < Self.longestLine, ContinuousClock.now < end else { return nil }
            var query = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&query, 1, 100) > 0 else { continue }
            let bytes = [UInt8](unsafeUninitializedCapacity: 65_536) { bytes, count in
                count = max(0, read(descriptor, bytes.baseAddress, bytes.count))
            }
            guard !bytes.isEmpty else { return nil }
            buffer += bytes
        }
    }
}
