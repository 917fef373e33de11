/// What `/readyz` tells beside its status.
struct Readiness: Encodable, Sendable {
    /// Whether the service takes requests: told by the status too. Redis and the last reload are told, not judged:
    /// without Redis the service answers by policy, and after a bad reload by the rules it had.
    var ready: Bool
    var generation: UInt64
    /// `connected` or `disconnected`.
    var redis: String
    var rules: Int
    var rulesLoadedAtMs: UInt64
    var sha256: String
    /// Null when the last reload was good, or there was none.
    var lastReloadError: String?

    private enum CodingKeys: CodingKey {
        case ready, generation, redis, rules, rulesLoadedAtMs, sha256, lastReloadError
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(ready, forKey: .ready)
        try container.encode(generation, forKey: .generation)
        try container.encode(redis, forKey: .redis)
        try container.encode(rules, forKey: .rules)
        try container.encode(rulesLoadedAtMs, forKey: .rulesLoadedAtMs)
        try container.encode(sha256, forKey: .sha256)
        // Null rather than absent: whoever reads it finds every key.
        try container.encode(lastReloadError, forKey: .lastReloadError)
    }
}

extension ServiceCore {
    func readiness() async -> Readiness {
        let rules = try? await lanes.first?.run { $0.decider.rules }.get()
        let errors = reloads.withLockedValue { $0.errors }
        return Readiness(
            ready: rules != nil && !isDraining.withLockedValue { $0 },
            generation: rules?.set.generation ?? 0,
            redis: await isRedisConnected() ? "connected" : "disconnected",
            rules: rules?.set.rules.count ?? 0,
            rulesLoadedAtMs: rules?.source.loadedAtMs ?? 0,
            sha256: rules?.source.sha256 ?? "",
            lastReloadError: errors.isEmpty ? nil : errors.joined(separator: "\n")
        )
    }
}
