import SluiceWire

// A deadline of nil is the configuration's. Every call throws `SluiceClientError`; see its `mayHaveCounted`.
extension SluiceClient {
    /// Asks for one decision.
    public func check(
        _ request: WireCheckRequest,
        deadline: Duration? = nil
    ) async throws(SluiceClientError) -> WireCheckResponse {
        try await call(.check, request, deadline: deadline ?? configuration.deadline)
    }

    /// Asks for one decision without a task to wait in, for load generators and replay.
    ///
    /// Calls made from one thread go out in their order. Back pressure is the caller's: beyond the configuration's
    /// `maxInFlight` calls fail.
    /// - Parameter completion: called exactly once, on the client's event loop, which it must not block.
    public func send(
        _ request: WireCheckRequest,
        deadline: Duration? = nil,
        completion: @escaping @Sendable (Result<WireCheckResponse, SluiceClientError>) -> Void
    ) {
        call(.check, request, deadline: deadline ?? configuration.deadline, completion: completion)
    }

    /// Asks for up to 256 decisions in one frame, each judged by itself.
    ///
    /// - Returns: as many responses as requests, in their order.
    public func checkBatch(
        _ requests: [WireCheckRequest],
        deadline: Duration? = nil
    ) async throws(SluiceClientError) -> [WireCheckResponse] {
        var batch = WireCheckBatchRequest()
        batch.requests = requests
        let response: WireCheckBatchResponse =
            try await call(.checkBatch, batch, deadline: deadline ?? configuration.deadline)
        guard response.responses.count == requests.count else {
            throw .malformedAnswer(why: "\(response.responses.count) responses to \(requests.count) requests")
        }
        return response.responses
    }

    /// Takes back what an event counted, once.
    public func undo(
        _ request: WireUndoRequest,
        deadline: Duration? = nil
    ) async throws(SluiceClientError) -> WireUndoResponse {
        try await call(.undo, request, deadline: deadline ?? configuration.deadline)
    }

    // The admin listener's.

    /// Reads every limit whose dimensions are all among the entities.
    public func inspect(
        _ request: WireInspectRequest,
        deadline: Duration? = nil
    ) async throws(SluiceClientError) -> WireInspectResponse {
        try await call(.inspect, request, deadline: deadline ?? configuration.adminDeadline)
    }

    /// Forgets the counters of exactly one tuple.
    public func reset(
        _ request: WireResetRequest,
        deadline: Duration? = nil
    ) async throws(SluiceClientError) -> WireResetResponse {
        try await call(.reset, request, deadline: deadline ?? configuration.adminDeadline)
    }

    /// The rule set in force.
    public func rules(deadline: Duration? = nil) async throws(SluiceClientError) -> WireRulesResponse {
        try await call(.rules, WireRulesRequest(), deadline: deadline ?? configuration.adminDeadline)
    }

    /// Reloads the limits file, and returns when the whole service has swapped.
    public func reload(
        _ request: WireReloadRequest = WireReloadRequest(),
        deadline: Duration? = nil
    ) async throws(SluiceClientError) -> WireReloadResponse {
        try await call(.reload, request, deadline: deadline ?? configuration.adminDeadline)
    }

    /// The entities that come up most.
    public func top(
        _ request: WireTopRequest,
        deadline: Duration? = nil
    ) async throws(SluiceClientError) -> WireTopResponse {
        try await call(.top, request, deadline: deadline ?? configuration.adminDeadline)
    }

    /// Puts an entity on a list, takes it off, or lifts what blocks a tuple.
    ///
    /// - Returns: when it is in force in all of the instance that was asked; in the others it is within one second.
    public func setListing(
        _ request: WireSetListingRequest,
        deadline: Duration? = nil
    ) async throws(SluiceClientError) -> WireSetListingResponse {
        try await call(.setListing, request, deadline: deadline ?? configuration.adminDeadline)
    }

    /// One page of what is on the lists.
    public func listings(
        _ request: WireListingsRequest = WireListingsRequest(),
        deadline: Duration? = nil
    ) async throws(SluiceClientError) -> WireListingsResponse {
        try await call(.listings, request, deadline: deadline ?? configuration.adminDeadline)
    }

    /// The service's own numbers.
    public func stats(deadline: Duration? = nil) async throws(SluiceClientError) -> WireStatsResponse {
        try await call(.stats, WireStatsRequest(), deadline: deadline ?? configuration.adminDeadline)
    }
}
