import Foundation
import SluiceModel
import SluiceWire

/// Entities of a message that is no check, laid out as a request is, so that one matching serves both.
struct EntityList {
    private var bytes: [UInt8] = []
    private var action = 0..<0
    private var eventID = 0..<0
    private var entities: [RequestView.Entity] = []

    /// Entities that an operator names: each has a value.
    init(_ list: [WireEntity]) throws(InvalidRequest) {
        try layOut(list)
        try withView { (view) throws(InvalidRequest) in
            for position in 0..<view.entityCount {
                try CheckDecoder.checkEntity(view, position)
                guard !view.entities[position].value.isEmpty else { throw InvalidRequest("an empty value") }
            }
            guard !view.namesADimensionTwice else { throw InvalidRequest("the same dimension twice") }
        }
    }

    /// What names an event, held to the caps of a check.
    init(_ list: [WireEntity], action: String, eventID: Data) throws(InvalidRequest) {
        self.action = append(action.utf8)
        self.eventID = append(eventID)
        try layOut(list)
        try withView { (view) throws(InvalidRequest) in try CheckDecoder.checkEvent(view) }
    }

    private mutating func layOut(_ list: [WireEntity]) throws(InvalidRequest) {
        guard list.count <= Caps.entitiesPerRequest else {
            throw InvalidRequest("more than \(Caps.entitiesPerRequest) entities")
        }
        for entity in list {
            let dimension = append(entity.dimension.utf8)
            entities.append(RequestView.Entity(dimension: dimension, value: append(entity.value)))
        }
    }

    private mutating func append(_ part: some Sequence<UInt8>) -> Range<Int> {
        let start = bytes.count
        bytes.append(contentsOf: part)
        return start..<bytes.count
    }

    /// The entities as a request; without an action unless they name an event.
    func withView<R, E: Error>(_ body: (RequestView) throws(E) -> R) throws(E) -> R {
        try bytes.withUnsafeBytes { raw in
            Result { () throws(E) -> R in
                var view = RequestView(bytes: raw)
                view.action = action
                view.eventID = eventID
                for entity in entities { _ = view.append(entity) }
                return try body(view)
            }
        }.get()
    }
}
