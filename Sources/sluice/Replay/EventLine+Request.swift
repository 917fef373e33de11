import SluiceModel
import SluiceWire

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension EventLine {
    /// The request that asks a service with `clock: request` about this event.
    var wire: WireCheckRequest {
        var request = WireCheckRequest()
        request.action = text(action)
        request.entities = entities.map { WireEntity(dimension: text($0.dimension), value: bytes[$0.value]) }
        request.cost = UInt32(cost)
        request.amount = amount
        request.mode = WireMode(mode)
        request.eventID = Data(bytes[eventID])
        request.atMs = atMs
        return request
    }

    /// Calls `body` with the event as rules are matched against it.
    func withView<Result>(_ body: (RequestView) -> Result) -> Result {
        bytes.withUnsafeBytes { buffer in
            var view = RequestView(bytes: buffer)
            view.action = action
            for entity in entities {
                _ = view.append(RequestView.Entity(dimension: entity.dimension, value: entity.value))
            }
            view.mode = mode
            return body(view)
        }
    }

    /// The event with its values in the normal form of their dimensions, as the service counts them.
    func normalized(by normalizers: [String: Normalizer]) -> EventLine {
        guard !normalizers.isEmpty else { return self }
        var event = self
        for index in entities.indices {
            guard let normalizer = normalizers[text(entities[index].dimension)] else { continue }
            var form: [UInt8] = []
            let differs = bytes.withUnsafeBytes {
                normalizer.apply(UnsafeRawBufferPointer(rebasing: $0[entities[index].value]), into: &form)
            }
            if differs { event.setValue(of: index, to: form) }
        }
        return event
    }

    /// The values of these dimensions, in their order; empty where the event has none.
    func values(of names: [String]) -> [ArraySlice<UInt8>] {
        names.map { name in
            let entity = entities.first { bytes[$0.dimension].elementsEqual(name.utf8) }
            return bytes[entity?.value ?? 0..<0]
        }
    }

    private func text(_ range: Range<Int>) -> String {
        String(decoding: bytes[range], as: UTF8.self)
    }
}
