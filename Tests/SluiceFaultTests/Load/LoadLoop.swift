import Foundation
import NIOCore
import SluiceWire
import Synchronization
import TestSupport

/// The thread of a `FaultLoad`.
struct LoadLoop {
    private let endpoint: Endpoint
    private let traffic: @Sendable (Int) -> WireCheckRequest
    private var descriptor: Int32 = -1
    private var decoder = FrameDecoder(receivingFrom: .server, maxPayload: 1 << 20)
    /// When the next request of the pace is due; nil: the pace stands still.
    private var dueMs: Double?
    private var sent = 0
    private var reconnectMs = 0.0
    /// Places in the history of the calls in flight, by stream.
    private var inFlight: [UInt32: Int] = [:]

    init(endpoint: Endpoint, traffic: @escaping @Sendable (Int) -> WireCheckRequest) {
        self.endpoint = endpoint
        self.traffic = traffic
    }

    /// Sends what is due, waits a few milliseconds at most, and reads.
    mutating func turn(_ shared: borrowing Mutex<FaultLoad.Shared>) {
        let now = FaultLoad.nowMs()
        if descriptor < 0, now >= reconnectMs { connect(shared) }
        var requests = shared.withLock { state in
            defer { state.extra = [] }
            return state.extra
        }
        let perSecond = shared.withLock { $0.perSecond }
        if perSecond > 0 {
            var due = dueMs ?? now
            // What the machine was too slow for is made up for, half a second of it at most.
            due = max(due, now - 500)
            while due <= now {
                requests.append(traffic(sent))
                sent += 1
                due += 1_000 / perSecond
            }
            dueMs = due
        } else {
            dueMs = nil
        }
        send(requests, shared)
        var polled = [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
        let wait = dueMs.map { max(0, min(5, $0 - FaultLoad.nowMs())) } ?? 5
        poll(&polled, 1, Int32(wait.rounded(.up)))
        if descriptor >= 0, polled[0].revents != 0 { receive(shared) }
    }

    mutating func close() {
        if descriptor >= 0 { _ = Glibc.close(descriptor) }
        descriptor = -1
    }

    private mutating func connect(_ shared: borrowing Mutex<FaultLoad.Shared>) {
        reconnectMs = FaultLoad.nowMs() + 20
        guard case .tcp(_, let port) = endpoint, let opened = LoopbackSocket.connect(port: port) else { return }
        descriptor = opened
        decoder = FrameDecoder(receivingFrom: .server, maxPayload: 1 << 20)
        shared.withLock { $0.connects += 1 }
        if !LoopbackSocket.sendAll(descriptor, Preface.bytes) { lose(shared) }
    }

    private mutating func send(_ requests: [WireCheckRequest], _ shared: borrowing Mutex<FaultLoad.Shared>) {
        guard !requests.isEmpty else { return }
        var bytes = ByteBuffer()
        let isConnected = descriptor >= 0
        for request in requests {
            let place = shared.withLock { state in
                var call = LoadCall(request: request, deadlineMs: state.deadlineMs, sentMs: FaultLoad.nowMs())
                if !isConnected {
                    call.outcome = .lost
                    call.tookMs = 0
                }
                state.calls.append(call)
                return (state.calls.count - 1, state.deadlineMs)
            }
            guard isConnected else { continue }
            let stream = UInt32(place.0 + 1)
            inFlight[stream] = place.0
            let header = FrameHeader(
                kind: .request, method: .check, stream: stream, micros: UInt32(place.1 * 1_000))
            try? bytes.writeFrame(header, message: request)
        }
        if isConnected, !LoopbackSocket.sendAll(descriptor, Array(buffer: bytes)) { lose(shared) }
    }

    private mutating func receive(_ shared: borrowing Mutex<FaultLoad.Shared>) {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &chunk, chunk.count, 0)
        guard count > 0 else { return lose(shared) }
        decoder.append(ByteBuffer(bytes: chunk.prefix(count)))
        let now = FaultLoad.nowMs()
        do {
            while let frame = try decoder.next() {
                guard frame.header.kind == .response, let place = inFlight.removeValue(forKey: frame.header.stream)
                else { continue }
                var outcome = LoadCall.Outcome.refused(frame.header.status)
                if frame.header.status == .ok {
                    let answer = try WireCheckResponse(payload: frame.payload)
                    outcome = .decided(
                        answer.verdict, answer.basis, generation: answer.generation, isDuplicate: answer.duplicate)
                }
                shared.withLock {
                    $0.calls[place].outcome = outcome
                    $0.calls[place].tookMs = now - $0.calls[place].sentMs
                }
            }
        } catch {
            lose(shared)
        }
    }

    private mutating func lose(_ shared: borrowing Mutex<FaultLoad.Shared>) {
        close()
        let now = FaultLoad.nowMs()
        shared.withLock { state in
            for place in inFlight.values {
                state.calls[place].outcome = .lost
                state.calls[place].tookMs = now - state.calls[place].sentMs
            }
        }
        inFlight = [:]
    }
}
