import Foundation

/// Ports of the loopback that nobody listens on.
public enum FreePort {
    public struct NoneFree: Error {}

    /// Below the kernel's own range, so that no outgoing connection takes one between now and its use. `tail` apart of
    /// each is free as well: Redis Cluster's nodes talk to each other there.
    public static func pick(tail: UInt16 = 10_000) throws -> UInt16 {
        for _ in 0..<200 {
            let port = UInt16.random(in: 12_000..<20_000)
            if isFree(port), isFree(port + tail) { return port }
        }
        throw NoneFree()
    }

    /// `count` of them, no two the same.
    public static func pick(_ count: Int) throws -> [UInt16] {
        var ports: Set<UInt16> = []
        for _ in 0..<(count * 10) where ports.count < count { ports.insert(try pick()) }
        guard ports.count == count else { throw NoneFree() }
        return Array(ports)
    }

    private static func isFree(_ port: UInt16) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var reuse: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &reuse, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in.loopback(port)
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}

extension sockaddr_in {
    /// 127.0.0.1 and a port.
    static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }
}
