import SluiceModel
import SluiceReference

/// Rules, and every operation that is tried in every state that the operations before it can lead to.
struct SmallScope: Sendable {
    /// One operation on one user, as its effect depends on when it comes.
    struct Operation: Sendable {
        enum Kind: Sendable {
            case decide(ReferenceModel.Request)
            case undo(ReferenceModel.Request, cost: UInt64, amount: UInt64)
        }

        /// From the operation before it.
        var afterMs: Int
        var kind: Kind
    }

    var rules: [Rule]
    var operations: [Operation]
    /// How many operations the longest sequence has.
    var depth = 6
    /// The longest tick of any counter: what happens at a time depends on where in its tick that is.
    var longestTickMs: UInt64 = 1
    var eventMemoryMs = LimitsFile.standardEventMemoryMs

    /// Every event that the operations name, once.
    var events: [ReferenceModel.Request] {
        var seen: Set<String> = []
        return operations.compactMap { operation -> ReferenceModel.Request? in
            switch operation.kind {
            case .decide(let request), .undo(let request, _, _): request.eventID.isEmpty ? nil : request
            }
        }.filter { seen.insert("\($0.action) \($0.eventID) \($0.mode)").inserted }
    }
}

extension SmallScope.Operation: CustomStringConvertible {
    var description: String {
        switch kind {
        case .decide(let request):
            let values = request.entities.map { "\($0.dimension)=\(String(decoding: $0.value, as: UTF8.self))" }
            let id = request.eventID.isEmpty ? "" : " event \(String(decoding: request.eventID, as: UTF8.self))"
            let age = request.ageMs > 0 ? " aged \(request.ageMs)" : ""
            return "\(afterMs) ms: \(request.mode) cost \(request.cost) amount \(request.amount) "
                + values.joined(separator: " ") + id + age
        case .undo(let event, let cost, let amount):
            return "\(afterMs) ms: undo \(String(decoding: event.eventID, as: UTF8.self)) cost \(cost) amount \(amount)"
        }
    }
}

extension [SmallScope.Operation] {
    /// Each request after each span of time.
    static func each(_ requests: [ReferenceModel.Request], afterMs spans: [Int]) -> Self {
        spans.flatMap { span in requests.map { .init(afterMs: span, kind: .decide($0)) } }
    }

    /// An undo after each span of time.
    static func undo(
        _ event: ReferenceModel.Request, cost: UInt64 = 0, amount: UInt64 = 0, afterMs spans: [Int]
    ) -> Self {
        spans.map { .init(afterMs: $0, kind: .undo(event, cost: cost, amount: amount)) }
    }
}
