import Foundation

/// A plain socket to a loopback port, for bytes that no client would send or show. Blocks, two seconds at most.
public final class RawSocket: Sendable {
    public struct NotConnected: Error {}

    private let descriptor: Int32

    /// - Parameters:
    ///   - port: of 127.0.0.1.
    ///   - receiveBuffer: in bytes; nil: as the machine has it.
    public init(port: Int, receiveBuffer: Int32? = nil) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        if var size = receiveBuffer {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
        var limit = timeval(tv_sec: 2, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in.loopback(port)
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { throw NotConnected() }
    }

    deinit { close(descriptor) }

    public func send(_ text: String) { _ = send(Array(text.utf8)) }

    /// - Returns: how many bytes went out without waiting; -1: the other end is gone.
    @discardableResult
    public func send(_ bytes: [UInt8], waits: Bool = true) -> Int {
        Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL) | (waits ? 0 : Int32(MSG_DONTWAIT)))
    }

    /// Up to `count` bytes, fewer if no more come.
    public func receive(_ count: Int) -> String { String(decoding: receiveBytes(count), as: UTF8.self) }

    public func receiveBytes(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            var chunk = [UInt8](repeating: 0, count: count - bytes.count)
            let got = recv(descriptor, &chunk, chunk.count, 0)
            guard got > 0 else { break }
            bytes += chunk.prefix(got)
        }
        return bytes
    }

    /// Whether the other end has closed: what it sent before is thrown away.
    public var isClosed: Bool {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let got = recv(descriptor, &chunk, chunk.count, Int32(MSG_DONTWAIT))
            if got == 0 { return true }
            if got < 0 { return errno != EAGAIN }
        }
    }
}
