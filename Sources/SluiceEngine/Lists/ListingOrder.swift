import Foundation
import SluiceModel
import SluiceWire

/// A SetListing that has been checked.
struct ListingOrder: Sendable {
    enum Action: Sendable {
        case list(ListingField, ListKind, forMs: UInt64)
        /// The fields to take off the lists, and the key of the hash whose blocks are to be lifted.
        case remove([ListingField], unblock: [UInt8])
    }

    var action: Action
    /// For the log: which entity, not whose.
    var dimensions: String
    var by: String
    var reason: String

    init(
        _ request: WireSetListingRequest, normalizers: [String: Normalizer], keyPrefix: String
    ) throws(InvalidRequest) {
        _ = try EntityList(request.entities)
        // Without an entity a removal means what counts everyone together: blocks of rules with `per: []`.
        guard !request.entities.isEmpty || request.action == .remove else { throw InvalidRequest("no entity") }
        by = try Self.words(request.by, atMost: Caps.listingByBytes, "by")
        reason = try Self.words(request.reason, atMost: Caps.listingReasonBytes, "reason")
        guard request.forMs <= Caps.listingMs else { throw InvalidRequest("for_ms is at most ten years") }
        dimensions = request.entities.map(\.dimension).sorted().joined(separator: "&")
        let entities = try request.entities.map { (entity) throws(InvalidRequest) in
            let value = Array(entity.value)
            return (raw: entity, listed: try Self.listed(value, by: normalizers[entity.dimension]))
        }
        switch request.action {
        case .deny, .allow, .watch:
            guard let kind = ListKind(request.action), let entity = entities.first, entities.count == 1 else {
                throw InvalidRequest("a list holds single entities, these are \(entities.count)")
            }
            let field = ListingField(dimension: entity.raw.dimension, value: entity.listed)
            action = .list(field, kind, forMs: request.forMs)
        case .remove:
            guard request.forMs == 0 else { throw InvalidRequest("for_ms does not go with a removal") }
            var fields: [ListingField] = []
            if let entity = entities.first, entities.count == 1 {
                // As it is written too: it may have been listed before its dimension had a normal form.
                fields = [entity.listed, Array(entity.raw.value)].map {
                    ListingField(dimension: entity.raw.dimension, value: $0)
                }
            }
            let tuple = request.entities.map { entity in
                let value = Array(entity.value)
                return WireEntity(
                    dimension: entity.dimension, value: normalizers[entity.dimension]?.normalForm(of: value) ?? value)
            }
            let key = try EntityList(tuple).withView { EntityKeyWriter.key(prefix: keyPrefix, of: $0) }
            action = .remove(fields, unblock: key)
        case .UNRECOGNIZED: throw InvalidRequest("unknown action")
        }
    }

    private static func listed(_ value: [UInt8], by normalizer: Normalizer?) throws(InvalidRequest) -> [UInt8] {
        guard let normalizer else { return value }
        if case .ip = normalizer, value.contains(UInt8(ascii: "/")) {
            do throws(IPNetwork.Problem) {
                _ = try IPNetwork(String(decoding: value, as: UTF8.self))
            } catch {
                throw InvalidRequest(Self.words(for: error))
            }
        }
        return normalizer.listed(value)
    }

    private static func words(for problem: IPNetwork.Problem) -> String {
        switch problem {
        case .notAnAddress: "what stands before the / is no address"
        case .badPrefix(let longest): "behind the / stands a number of bits from 0 to \(longest)"
        case .hostBitsSet: "the address has bits behind the prefix: a network is named by its first address"
        }
    }

    /// Text of an operator's, which ends up in logs and on terminals.
    private static func words(_ text: String, atMost bytes: Int, _ name: String) throws(InvalidRequest) -> String {
        guard text.utf8.count <= bytes else { throw InvalidRequest("\(name) has up to \(bytes) bytes") }
        guard !text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
            throw InvalidRequest("\(name) has a control character")
        }
        return text
    }
}
