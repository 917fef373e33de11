import NIOCore
import SluiceModel
import SluiceWire

/// An UndoRequest with its caps checked.
struct UndoCall {
    private let event: EntityList
    /// Where callers give the time; nil: that of the last request.
    private let atMs: UInt64?
    /// How much of it to take back; 0: all.
    let cost: UInt64
    let amount: UInt64

    init(_ message: WireUndoRequest, takesTime: Bool) throws(InvalidRequest) {
        cost = UInt64(message.cost)
        amount = message.amount
        guard !message.eventID.isEmpty else { throw InvalidRequest("undo needs the event_id that it takes back") }
        guard cost <= Caps.cost else { throw InvalidRequest("cost is more than \(Caps.cost)") }
        guard amount <= Caps.exactInteger else { throw InvalidRequest("amount is more than 2^53 - 1") }
        guard message.atMs == 0 || takesTime else {
            throw InvalidRequest("at_ms is taken only by a service started with --clock request")
        }
        guard message.atMs <= CheckDecoder.latestAtMs else { throw InvalidRequest("at_ms is after the year 9999") }
        atMs = message.atMs > 0 ? message.atMs : nil
        event = try EntityList(message.entities, action: message.action, eventID: message.eventID)
    }

    /// The event as the request that it was.
    func withView<R, E: Error>(_ body: (RequestView) throws(E) -> R) throws(E) -> R {
        try event.withView { (view) throws(E) in
            var view = view
            view.atMs = atMs
            return try body(view)
        }
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
