import Foundation

/// A plain connection to a test's Redis, one command at a time, for what a test wants to see or spoil. Blocks.
public final class RedisConnection {
    /// A RESP2 reply.
    public enum Value: Hashable, Sendable {
        case text([UInt8])
        case integer(Int)
        case array([Value])
        case null
        case error(String)

        /// Of a bulk or simple string; empty for anything else.
        public var bytes: [UInt8] {
            if case .text(let bytes) = self { return bytes }
            return []
        }
        public var string: String { String(decoding: bytes, as: UTF8.self) }
        /// Of an integer; -1 for anything else.
        public var number: Int {
            if case .integer(let number) = self { return number }
            return -1
        }
        /// Of an array; empty for anything else.
        public var elements: [Value] {
            if case .array(let elements) = self { return elements }
            return []
        }
    }

    public struct Broken: Error {}

    private let descriptor: Int32
    private var pending: [UInt8] = []
    private var next = 0

    /// - Parameters:
    ///   - socket: path of a Unix socket.
    ///   - timeoutMs: an answer that takes longer is an error; nil: waits for ever.
    public convenience init(socket path: String, timeoutMs: Int? = nil) throws {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        try self.init(AF_UNIX, address, timeoutMs)
    }

    /// - Parameter port: of 127.0.0.1.
    public convenience init(port: Int, timeoutMs: Int? = nil) throws {
        try self.init(AF_INET, sockaddr_in.loopback(port), timeoutMs)
    }

    private init<Address>(_ family: Int32, _ address: Address, _ timeoutMs: Int?) throws {
        descriptor = Glibc.socket(family, Int32(SOCK_STREAM.rawValue), 0)
        if let timeoutMs {
            var limit = timeval(tv_sec: timeoutMs / 1_000, tv_usec: timeoutMs % 1_000 * 1_000)
            let size = socklen_t(MemoryLayout<timeval>.size)
            setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
            setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
        }
        // A socket that has just appeared may not listen yet.
        var connected: Int32 = -1
        for _ in 0..<200 {
            connected = withUnsafeBytes(of: address) {
                connect(
                    descriptor, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self),
                    socklen_t(MemoryLayout<Address>.size))
            }
            if connected == 0 { break }
            usleep(5_000)
        }
        guard connected == 0 else { throw Broken() }
    }

    deinit { close(descriptor) }

    @discardableResult
    public func command(_ arguments: String...) throws -> Value { try command(arguments.map { Array($0.utf8) }) }

    @discardableResult
    public func command(_ arguments: [[UInt8]]) throws -> Value {
        var bytes = Array("*\(arguments.count)\r\n".utf8)
        for argument in arguments { bytes += Array("$\(argument.count)\r\n".utf8) + argument + [13, 10] }
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                send(descriptor, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Broken() }
            sent += count
        }
        return try read()
    }

    private func fill() throws {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &chunk, chunk.count, 0)
        guard count > 0 else { throw Broken() }
        pending = Array(chunk.prefix(count))
        next = 0
    }

    private func byte() throws -> UInt8 {
        if next == pending.count { try fill() }
        next += 1
        return pending[next - 1]
    }

    private func bytes(_ count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            if next == pending.count { try fill() }
            let end = min(pending.count, next + count - bytes.count)
            bytes += pending[next..<end]
            next = end
        }
        return bytes
    }

    private func line() throws -> String {
        var bytes: [UInt8] = []
        while bytes.last != 10 { bytes.append(try byte()) }
        return String(decoding: bytes.dropLast(2), as: UTF8.self)
    }

    private func read() throws -> Value {
        let kind = try byte()
        let rest = try line()
        switch kind {
        case UInt8(ascii: "+"): return .text(Array(rest.utf8))
        case UInt8(ascii: "-"): return .error(rest)
        case UInt8(ascii: ":"): return .integer(Int(rest) ?? -1)
        case UInt8(ascii: "$"):
            guard let count = Int(rest), count >= 0 else { return .null }
            let bytes = try bytes(count)
            _ = try line()
            return .text(bytes)
        default:
            guard let count = Int(rest), count >= 0 else { return .null }
            return .array(try (0..<count).map { _ in try read() })
        }
    }
}

extension RedisConnection {
    /// Everything in the database, byte for byte, each key with its time of expiry.
    public func snapshot() throws -> Value {
        try command(
            "EVAL",
            """
            local keys, all = redis.call('KEYS', '*'), {}
            table.sort(keys)
            for _, key in ipairs(keys) do
              all[#all + 1] = {key, redis.call('DUMP', key), redis.call('PEXPIRETIME', key)}
            end
            return all
            """, "0"
        )
    }

    /// The fields of a hash.
    public func fields(_ key: String) throws -> [String: [UInt8]] {
        let flat = try command("HGETALL", key).elements
        return Dictionary(
            uniqueKeysWithValues: stride(from: 0, to: flat.count - 1, by: 2).map {
                (flat[$0].string, flat[$0 + 1].bytes)
            })
    }

    /// Redis `TIME`, in ms.
    public func timeMs() throws -> UInt64 {
        let parts = try command("TIME").elements
        guard parts.count == 2, let seconds = UInt64(parts[0].string), let micros = UInt64(parts[1].string) else {
            throw Broken()
        }
        return seconds * 1_000 + micros / 1_000
    }
}
