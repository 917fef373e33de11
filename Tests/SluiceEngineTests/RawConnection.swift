import Foundation
import NIOCore
import SluiceWire

/// A client that sends any bytes it likes. Blocks; gives up after five seconds.
final class RawConnection {
    enum Failure: Error {
        case refused
        /// Nothing came for five seconds.
        case silent
    }

    private let descriptor: Int32
    private var decoder = FrameDecoder(receivingFrom: .server, maxPayload: 1 << 24)

    /// - Parameter source: the last number of the address that it comes from, 127.0.0.x; nil: the system's choice.
    init(_ endpoint: Endpoint, from source: UInt8? = nil) throws {
        switch endpoint {
        case .tcp(_, let port):
            descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            if let source { Self.bind(descriptor, source) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = UInt16(port).bigEndian
            address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
            try Self.connect(descriptor, &address)
        case .unix(let path):
            descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            try Self.connect(descriptor, &address)
        }
        var patience = timeval(tv_sec: 5, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    private static func bind(_ descriptor: Int32, _ source: UInt8) {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = (0x7F00_0000 | UInt32(source)).bigEndian
        _ = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    private static func connect<Address>(_ descriptor: Int32, _ address: inout Address) throws {
        let size = socklen_t(MemoryLayout<Address>.size)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, size) }
        }
        guard result == 0 else { throw Failure.refused }
    }

    deinit { close(descriptor) }

    /// - Returns: false when the other end has closed.
    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    /// Sends what fits now.
    ///
    /// - Returns: bytes taken; 0 when the socket is full.
    func sendWhatFits(_ bytes: [UInt8]) -> Int {
        max(0, Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)))
    }

    func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// The next frame; nil when the server has closed.
    func next() throws -> Frame? {
        while true {
            if let frame = try decoder.next() { return frame }
            var chunk = [UInt8](repeating: 0, count: 65_536)
            let count = recv(descriptor, &chunk, chunk.count, 0)
            if count < 0, errno == EAGAIN { throw Failure.silent }
            guard count > 0 else { return nil }
            decoder.append(ByteBuffer(bytes: chunk.prefix(count)))
        }
    }

    /// The next frame that is a response; nil when the server has closed.
    func response() throws -> Frame? {
        while let frame = try next() {
            if frame.header.kind == .response { return frame }
        }
        return nil
    }

    /// Every frame until the server closes.
    func rest() throws -> [Frame] {
        var frames: [Frame] = []
        while let frame = try next() { frames.append(frame) }
        return frames
    }
}

extension Frame {
    /// The words of a response that is not ok.
    var errorMessage: String { (try? WireError(payload: payload))?.message ?? "" }
}

/// The frames that tests send.
enum Bytes {
    static func request(
        _ method: WireMethod,
        _ payload: [UInt8],
        stream: UInt32 = 1,
        micros: UInt32 = 0
    ) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.writeFrame(FrameHeader(kind: .request, method: method, stream: stream, micros: micros), payload: payload)
        return Array(buffer.readableBytesView)
    }

    static func check(_ request: WireCheckRequest, stream: UInt32 = 1, micros: UInt32 = 0) -> [UInt8] {
        self.request(.check, (try? request.serializedBytes()) ?? [], stream: stream, micros: micros)
    }

    static func batch(_ requests: [WireCheckRequest], stream: UInt32 = 1) -> [UInt8] {
        var message = WireCheckBatchRequest()
        message.requests = requests
        return request(.checkBatch, (try? message.serializedBytes()) ?? [], stream: stream)
    }

    static func ping(_ payload: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.writeFrame(FrameHeader(kind: .ping), payload: payload)
        return Array(buffer.readableBytesView)
    }
}

/// Runs blocking work away from the threads that Swift's tasks share.
func blocking<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
    }
}

extension RawConnection {
    /// A connection whose answers pile up: sends pings without reading until the service does not take any more, or has
    /// closed.
    static func flooding(_ endpoint: Endpoint) throws -> RawConnection {
        let connection = try RawConnection(endpoint)
        connection.send(Preface.bytes)
        let pings = Array(repeating: Bytes.ping(), count: 2_000).flatMap { $0 }
        var refusals = 0
        var offset = 0
        while refusals < 20 {
            let count = connection.sendWhatFits(Array(pings[offset...]))
            offset = (offset + count) % pings.count
            refusals = count == 0 ? refusals + 1 : 0
            if count == 0 { usleep(5_000) }
        }
        return connection
    }
}
