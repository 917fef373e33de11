import Foundation

/// Ports for servers that tests start.
public enum FreePort {
    /// A TCP port of 127.0.0.1 that nobody listens on just now.
    public static func find() -> Int { find(1)[0] }

    /// Several, all different.
    public static func find(_ count: Int) -> [Int] {
        let descriptors = (0..<count).map { _ in socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) }
        // Kept until all are found: a port is not given out twice.
        defer { for descriptor in descriptors { close(descriptor) } }
        return descriptors.map { descriptor in
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    _ = bind(descriptor, $0, size)
                    _ = getsockname(descriptor, $0, &size)
                }
            }
            return Int(UInt16(bigEndian: address.sin_port))
        }
    }
}
