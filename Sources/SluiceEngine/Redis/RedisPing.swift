import Foundation

/// Asks a Redis on a Unix socket whether it can answer, without an event loop.
enum RedisPing {
    enum Answer {
        case pong
        /// It reads its files, and refuses everything until it is done.
        case loading
        /// It does not listen, or says nothing of the kind.
        case none
    }

    /// Waits for at most 100 ms.
    static func send(to path: String) async -> Answer {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, type, 0)
        guard descriptor >= 0 else { return .none }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        let ping = Array("PING\r\n".utf8)
        guard connected == 0, Glibc.send(descriptor, ping, ping.count, Int32(MSG_NOSIGNAL)) == ping.count else {
            return .none
        }
        var answer = [UInt8](repeating: 0, count: 64)
        for _ in 0..<100 {
            let count = recv(descriptor, &answer, answer.count, 0)
            if count > 0 { return meaning(String(decoding: answer.prefix(count), as: UTF8.self)) }
            guard count < 0, errno == EAGAIN else { return .none }
            try? await Task.sleep(for: .milliseconds(1))
        }
        return .none
    }

    private static func meaning(_ text: String) -> Answer {
        if text.hasPrefix("+PONG") { return .pong }
        return text.hasPrefix("-LOADING") ? .loading : .none
    }
}
