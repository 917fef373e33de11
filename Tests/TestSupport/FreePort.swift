import Foundation

/// Ports for servers that tests start.
public enum FreePort {
    /// A TCP port of 127.0.0.1 that nobody listens on just now.
    public static func find() -> Int { find(1)[0] }

    /// Several, all different, each free with the one 10,000 above it, where a node of a cluster talks to the others.
    /// Below the kernel's own range (32,768), so that no outgoing connection takes one meanwhile.
    public static func find(_ count: Int) -> [Int] {
        let free = (10_000..<20_000).shuffled().lazy.filter { isFree($0) && isFree($0 + 10_000) }.prefix(count)
        precondition(free.count == count, "fewer than \(count) ports are free")
        return Array(free)
    }

    private static func isFree(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in.loopback(port)
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
