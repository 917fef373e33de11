import Foundation

extension FreePort {
    public struct NoneFree: Error {}

    /// Ports for nodes of a cluster, each free with the one 10,000 above it, where nodes talk to each other. Below the
    /// kernel's own range, so that no outgoing connection takes one meanwhile.
    public static func findWithBus(_ count: Int) throws -> [Int] {
        var ports: Set<Int> = []
        for _ in 0..<(count * 200) where ports.count < count {
            let port = Int.random(in: 12_000..<20_000)
            if isFree(port), isFree(port + 10_000) { ports.insert(port) }
        }
        guard ports.count == count else { throw NoneFree() }
        return Array(ports)
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
