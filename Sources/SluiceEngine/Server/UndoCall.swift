import NIOCore
import SluiceModel
import SluiceWire

/// An UndoRequest with its caps checked, laid out as the request that it names.
struct UndoCall {
    private var bytes: [UInt8] = []
    private var view = RequestView(bytes: UnsafeRawBufferPointer(start: nil, count: 0))
    /// How much of it to take back; 0: all.
    let cost: UInt64
    let amount: UInt64

    init(_ message: WireUndoRequest, takesTime: Bool) throws(InvalidRequest) {
        cost = UInt64(message.cost)
        amount = message.amount
        guard message.entities.count <= Caps.entitiesPerRequest else {
            throw InvalidRequest("more than \(Caps.entitiesPerRequest) entities")
        }
        guard !message.eventID.isEmpty else { throw InvalidRequest("undo needs the event_id that it takes back") }
        guard cost <= Caps.cost else { throw InvalidRequest("cost is more than \(Caps.cost)") }
        guard amount <= Caps.exactInteger else { throw InvalidRequest("amount is more than 2^53 - 1") }
        guard message.atMs == 0 || takesTime else {
            throw InvalidRequest("at_ms is taken only by a service started with --clock request")
        }
        guard message.atMs <= CheckDecoder.latestAtMs else { throw InvalidRequest("at_ms is after the year 9999") }
        view.atMs = message.atMs > 0 ? message.atMs : nil
        view.action = append(message.action.utf8)
        view.eventID = append(message.eventID)
        for entity in message.entities {
            let dimension = append(entity.dimension.utf8)
            _ = view.append(RequestView.Entity(dimension: dimension, value: append(entity.value)))
        }
        try withView { (view) throws(InvalidRequest) in try CheckDecoder.checkEvent(view) }
    }

    private mutating func append(_ part: some Sequence<UInt8>) -> Range<Int> {
        let start = bytes.count
        bytes.append(contentsOf: part)
        return start..<bytes.count
    }

    func withView<R, E: Error>(_ body: (RequestView) throws(E) -> R) throws(E) -> R {
        try bytes.withUnsafeBytes { raw in
            Result { () throws(E) -> R in
                var view = view
                view.bytes = raw
                return try body(view)
            }
        }.get()
    }
}

extension LoopServer {
    /// Undo waits for Redis or for its deadline: no policy can answer it.
    func undo(
        _ header: FrameHeader,
        _ payload: ByteBuffer,
        _ caller: Caller,
        _ connection: ClientConnection
    ) throws(InvalidRequest) {
        let received = NIODeadline.now()
        guard let message = try? WireUndoRequest(payload: payload) else { throw .malformed }
        let call = try UndoCall(message, takesTime: decoder.takesTime)
        guard decider.hasRoomForUndo else {
            countShed()
            return connection.refuse(header.stream, .undo, .resourceExhausted, "too many requests are waiting")
        }
        connection.began()
        var isAnswered = false
        let finish = { [weak self] (status: WireStatus, text: String, isUndone: Bool) in
            guard !isAnswered else { return }
            isAnswered = true
            self?.answer(caller, .undo, status, text: text, isUndone: isUndone)
        }
        let deadline = deadline(header, from: received)
        let late =
            deadline == .distantFuture
            ? nil
            : loop.assumeIsolated().scheduleTask(deadline: deadline) {
                finish(.deadlineExceeded, "Redis did not answer in time; the event may be undone", false)
            }
        call.withView { view in
            decider.undo(view, cost: call.cost, amount: call.amount, deadline: deadline) { result in
                late?.cancel()
                switch result {
                case .failure(.timeout): finish(.deadlineExceeded, "Redis did not answer in time", false)
                case .success(let isUndone): finish(.ok, "", isUndone)
                case .failure(.disconnected): finish(.unavailable, "Redis is not connected", false)
                case .failure(.unreadable):
                    finish(.internal, "the event or one of its counters was written by another version", false)
                case .failure(let failure): finish(.internal, "Redis gave no answer: \(failure.rawValue)", false)
                }
            }
        }
    }

    private func answer(_ caller: Caller, _ method: WireMethod, _ status: WireStatus, text: String, isUndone: Bool) {
        var payload = ByteBuffer()
        if status == .ok {
            payload.writeField(1, isUndone ? 1 : 0)
        } else {
            payload.writeField(1, bytes: text.utf8)
        }
        answer(caller, method, status, Array(payload.readableBytesView))
    }
}
