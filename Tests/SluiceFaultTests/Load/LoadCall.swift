import SluiceWire

/// One call of a load, and what became of it.
struct LoadCall: Sendable {
    enum Outcome: Equatable, Sendable {
        case waiting
        case decided(WireVerdict, WireBasis, generation: UInt64, isDuplicate: Bool)
        case refused(WireStatus)
        /// The connection ended before the answer, or there was none to send it on.
        case lost
    }

    var request: WireCheckRequest
    var deadlineMs: Double
    /// By the monotonic clock.
    var sentMs: Double
    /// Nil while it waits.
    var tookMs: Double?
    var outcome = Outcome.waiting

    var action: String { request.action }
    /// The value of its first entity.
    var entity: String { String(decoding: request.entities.first?.value ?? .init(), as: UTF8.self) }
    var answeredMs: Double? { tookMs.map { sentMs + $0 } }

    var basis: WireBasis? {
        if case .decided(_, let basis, _, _) = outcome { return basis }
        return nil
    }
    var verdict: WireVerdict? {
        if case .decided(let verdict, _, _, _) = outcome { return verdict }
        return nil
    }
    /// Whether Redis decided, now or a moment ago.
    var isByRedis: Bool { basis == .redis || basis == .cache }
    var isFallback: Bool { basis == .policy || basis == .local }
    var isDuplicate: Bool {
        if case .decided(_, _, _, isDuplicate: true) = outcome { return true }
        return false
    }
    /// Whether Redis admitted and counted it.
    var isAdmitted: Bool {
        if case .decided(.allow, .redis, _, isDuplicate: false) = outcome { return true }
        return false
    }
    var isLate: Bool { (tookMs ?? .infinity) > deadlineMs + History.slackMs }
}
