import SluiceModel

/// A request of its own: what a `RequestView` shows, kept beyond the turn that read it.
struct KeptRequest {
    private let bytes: [UInt8]
    private let view: RequestView

    init(_ request: RequestView) {
        var bytes: [UInt8] = []
        func keep(_ range: Range<Int>) -> Range<Int> {
            let start = bytes.count
            bytes.append(contentsOf: request.slice(range))
            return start..<bytes.count
        }
        var view = RequestView(bytes: UnsafeRawBufferPointer(start: nil, count: 0))
        view.action = keep(request.action)
        view.eventID = keep(request.eventID)
        for position in 0..<request.entityCount {
            let entity = request.entities[position]
            _ = view.append(RequestView.Entity(dimension: keep(entity.dimension), value: keep(entity.value)))
        }
        (view.cost, view.amount, view.mode) = (request.cost, request.amount, request.mode)
        (view.ageMs, view.atMs) = (request.ageMs, request.atMs)
        (self.bytes, self.view) = (bytes, view)
    }

    func withView<R>(_ body: (RequestView) -> R) -> R {
        bytes.withUnsafeBytes { raw in
            var view = view
            view.bytes = raw
            return body(view)
        }
    }
}
