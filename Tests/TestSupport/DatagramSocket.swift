import Foundation

/// A Unix datagram socket that a test listens on, as systemd does for notices.
public final class DatagramSocket: Sendable {
    public struct NotBound: Error {}

    /// As `NOTIFY_SOCKET` names it: a path, or `@` and an abstract name.
    public let name: String
    private let descriptor: Int32

    public init(abstract: Bool = false) throws {
        let unique = "sluice-test-\(UUID().uuidString.prefix(8))"
        name = abstract ? "@\(unique)" : "/tmp/\(unique).sock"
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = abstract ? [0] + Array(unique.utf8) : Array(name.utf8) + [0]
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let size = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) }
        }
        guard bound == 0 else { throw NotBound() }
    }

    deinit {
        close(descriptor)
        if !name.hasPrefix("@") { unlink(name) }
    }

    /// The next datagram's lines; nil if none comes within `seconds`. Blocks.
    public func next(within seconds: Double = 10) -> [String]? {
        let milliseconds = Int(seconds * 1_000)
        var limit = timeval(tv_sec: milliseconds / 1_000, tv_usec: milliseconds % 1_000 * 1_000)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count >= 0 else { return nil }
        return String(decoding: buffer.prefix(count), as: UTF8.self).components(separatedBy: "\n")
    }
}
