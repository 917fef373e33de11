import Foundation
import Logging
import NIOConcurrencyHelpers

/// Tells systemd how the service does: the protocol of sd_notify(3), a datagram to the socket in `NOTIFY_SOCKET`.
///
/// A notice that cannot be sent is given up after a moment, and only the first is logged: a service runs without its
/// supervisor's ear.
public struct SystemdNotifier: Sendable {
    /// systemd may have to work off what others sent first.
    private static let attempts = 10
    private static let pause = Duration.milliseconds(20)
    /// A status is one line that people read; longer ones are cut.
    private static let longestStatusBytes = 256

    private let socketPath: String
    /// Half of what systemd waits for a sign of life; nil: it waits for none.
    private let watchdogInterval: Duration?
    private let logger: Logger
    private let hasFailed = NIOLockedValueBox(false)

    /// - Returns: nil where `environment` names no socket: nobody listens.
    public init?(environment: [String: String] = ProcessInfo.processInfo.environment, logger: Logger) {
        guard let path = environment["NOTIFY_SOCKET"], !path.isEmpty else { return nil }
        socketPath = path
        self.logger = logger
        let isOurs = environment["WATCHDOG_PID"].map { $0 == String(getpid()) } ?? true
        let timeoutUs = environment["WATCHDOG_USEC"].flatMap(Int64.init) ?? 0
        watchdogInterval = isOurs && timeoutUs > 0 ? .microseconds(max(timeoutUs / 2, 1_000)) : nil
    }

    /// The service can answer, or has finished a reload.
    func ready(_ status: String) async { await send(["READY=1", Self.line(status)]) }

    /// A reload begins; `ready` ends it. Units of `Type=notify-reload` ask for the time at which it began.
    func reloading() async {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        let microseconds = UInt64(now.tv_sec) * 1_000_000 + UInt64(now.tv_nsec) / 1_000
        await send(["RELOADING=1", "MONOTONIC_USEC=\(microseconds)"])
    }

    /// The service drains and then ends.
    func stopping() async { await send(["STOPPING=1", Self.line("draining")]) }

    /// Gives signs of life until the returned task is cancelled; nil if nobody waits for them.
    ///
    /// - Parameter pulse: returns once the service has shown that it lives. While it does not, no sign is given.
    func watch(_ pulse: @escaping @Sendable () async -> Void) -> Task<Void, Never>? {
        guard let watchdogInterval else { return nil }
        return Task {
            while !Task.isCancelled {
                await pulse()
                await send(["WATCHDOG=1"])
                try? await Task.sleep(for: watchdogInterval)
            }
        }
    }

    private static func line(_ status: String) -> String {
        let plain = status.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : String($0) }
        return "STATUS=" + String(decoding: plain.joined().utf8.prefix(longestStatusBytes), as: UTF8.self)
    }

    private func send(_ lines: [String]) async {
        let message = Array(lines.joined(separator: "\n").utf8)
        for _ in 0..<Self.attempts {
            switch Self.sendOnce(message, to: socketPath) {
            case 0: return
            case EAGAIN, ENOBUFS: try? await Task.sleep(for: Self.pause)
            case let code: return fail(String(cString: strerror(code)))
            }
        }
        fail("it does not listen")
    }

    private func fail(_ why: String) {
        let isFirst = hasFailed.withLockedValue { failed in
            defer { failed = true }
            return !failed
        }
        if isFirst { logger.warning("systemd cannot be told how the service does", metadata: ["error": "\(why)"]) }
    }

    /// One datagram, without waiting.
    ///
    /// - Returns: 0, or what kept it from going out.
    private static func sendOnce(_ message: [UInt8], to path: String) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(path.utf8)
        guard let first = bytes.first, first == UInt8(ascii: "/") || first == UInt8(ascii: "@"), bytes.count > 1 else {
            return EAFNOSUPPORT
        }
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return ENAMETOOLONG }
        // An abstract socket's name begins with a zero byte, and ends with its length.
        if first == UInt8(ascii: "@") { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = MemoryLayout.offset(of: \sockaddr_un.sun_path)! + bytes.count + (bytes[0] == 0 ? 0 : 1)

        let type = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, type, 0)
        guard descriptor >= 0 else { return errno }
        defer { close(descriptor) }
        let sent = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, message, message.count, Int32(MSG_NOSIGNAL), $0, socklen_t(length))
            }
        }
        return sent < 0 ? errno : 0
    }
}
