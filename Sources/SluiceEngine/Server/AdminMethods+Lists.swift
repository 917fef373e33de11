import Foundation
import Logging
import LuaScripts
import NIOCore
import SluiceModel
import SluiceWire

/// SetListing and Listings.
extension AdminMethods {
    /// How long one script waits for Redis.
    private static let patience = TimeAmount.milliseconds(800)

    func setListing(_ request: WireSetListingRequest, _ caller: Caller) throws {
        let order = try ListingOrder(
            request, normalizers: server.decider.rules.file.normalizers, keyPrefix: core.settings.keyPrefix)
        spawn(caller, .setListing) { [logger] core in
            guard let keeper = core.listKeeper.withLockedValue({ $0 }) else {
                throw Refusal(status: .unavailable, words: "the service is starting")
            }
            var response = WireSetListingResponse()
            switch order.action {
            case .list(let field, let kind, let forMs):
                let change = ListingScript.Change.set(
                    field, kind: kind, forMs: forMs, by: order.by, reason: order.reason)
                let outcome = try await Self.change(change, core)
                response.changed = outcome.effect == .changed
                response.untilMs = outcome.untilMs
                logger.notice("listed", metadata: order.metadata(["kind": "\(kind.name)", "for_ms": "\(forMs)"]))
                try await Self.see(keeper)
            case .remove(let fields, let key):
                // What has been changed is logged before anything that can still fail.
                if !fields.isEmpty {
                    response.changed = try await Self.change(.remove(fields), core).effect == .changed
                    logger.notice(
                        "taken off the lists", metadata: order.metadata(["changed": "\(response.changed)"]))
                    try await Self.see(keeper)
                }
                response.liftedBlocks = try await Self.unblock(key, core)
                logger.notice(
                    "blocks lifted", metadata: order.metadata(["lifted_blocks": "\(response.liftedBlocks)"]))
            }
            return response
        }
    }

    /// Makes a change in Redis.
    private static func change(
        _ change: ListingScript.Change, _ core: ServiceCore
    ) async throws(Refusal) -> ListingScript.Outcome {
        let outcome = try await ask(
            ListingScript.command(change, keyPrefix: core.settings.keyPrefix), core
        ) { ListingScript.outcome(of: $0) }
        guard outcome.effect != .full else {
            throw Refusal(
                status: .resourceExhausted,
                words: "\(Caps.listings) entities are listed, which is the most there may be: remove some, "
                    + "or list them in the limits file")
        }
        return outcome
    }

    /// Sees what has been changed in force in all of this process.
    private static func see(_ keeper: ListKeeper) async throws(Refusal) {
        guard await keeper.pull() else {
            throw Refusal(
                status: .deadlineExceeded,
                words: "the change is made, but Redis did not answer again to see it in force here: "
                    + "it will be when Redis does")
        }
    }

    private static func unblock(_ key: [UInt8], _ core: ServiceCore) async throws(Refusal) -> UInt64 {
        // Whatever comes of it: it may have been done.
        defer { core.drops.drop(key) }
        let nowMs = core.settings.clock == .request ? "\(UInt64(Date().timeIntervalSince1970 * 1000))" : ""
        let command = [
            Array("EVAL".utf8), LuaScripts.unblock, [UInt8(ascii: "1")], key, Array(nowMs.utf8),
        ]
        let lifted = try await ask(command, core) { $0.kind == .integer ? $0.integer(at: 0) : nil }
        guard lifted >= 0 else { throw Refusal(.unreadable) }
        return UInt64(lifted)
    }

    private static func ask<Content: Sendable>(
        _ command: [[UInt8]], _ core: ServiceCore, _ read: @escaping @Sendable (Reply) -> Content?
    ) async throws(Refusal) -> Content {
        switch await core.ask(command, patience: patience, read: read) {
        case .success(let answer): return answer.content
        case .failure(.timeout):
            throw Refusal(status: .deadlineExceeded, words: "Redis did not answer in time")
        case .failure(let failure): throw Refusal(failure)
        }
    }

    func listings(_ request: WireListingsRequest, _ caller: Caller) throws {
        let query = try ListingQuery(request)
        let rules = server.decider.rules
        spawn(caller, .listings) { core in
            guard let keeper = core.listKeeper.withLockedValue({ $0 }) else {
                throw Refusal(status: .unavailable, words: "the service is starting")
            }
            let page = await keeper.page(query, file: rules.file)
            var response = WireListingsResponse()
            response.generation = rules.set.generation
            response.listings = page.lines.map(WireListing.init)
            response.next = page.next?.text ?? ""
            return response
        }
    }
}

extension ListingOrder {
    /// For the log, who and why with it.
    fileprivate func metadata(_ more: Logger.Metadata) -> Logger.Metadata {
        more.merging(["dimensions": "\(dimensions)", "by": "\(by)", "reason": "\(reason)"]) { $1 }
    }
}

extension WireListing {
    fileprivate init(_ line: ListingCatalogue.Line) {
        self.init()
        entity = WireEntity(dimension: line.dimension, value: line.value)
        switch line.origin {
        case .kept(let listing):
            kind = Kind(listing.kind)
            (sinceMs, untilMs) = (listing.sinceMs, listing.untilMs)
            (by, reason) = (listing.by, listing.reason)
        case .file(let kind):
            self.kind = Kind(kind)
            fromFile = true
        }
    }
}
