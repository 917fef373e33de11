import SluiceModel
import SluiceWire

/// An answer to `sluice check`, in words and in JSON.
struct DecisionReport: Report {
    private let response: WireCheckResponse

    init(_ response: WireCheckResponse) {
        self.response = response
    }

    /// What a later version may add is taken as a denial: no script goes on because of it.
    var verdict: Verdict { Verdict(response.verdict) ?? .deny }

    // MARK: Words

    func lines(for terminal: Terminal) -> [String] {
        var lines = [headline(for: terminal)]
        if response.hasRetryAfterMs {
            lines.append("retry after \(DurationWords.spell(ms: response.retryAfterMs))")
        }
        if !response.trips.isEmpty {
            lines.append("")
            lines += tripsTable.lines(for: terminal)
            lines.append("")
        }
        if response.hasTightest {
            let tightest = response.tightest
            var line = "tightest: \(tightest.rule.printable), \(limitText(tightest.limit, tightest)): "
            line += "\(NumberWords.grouped(tightest.remaining)) of \(NumberWords.grouped(tightest.max)) left"
            if tightest.resetMs > 0 { line += ", empty again in \(DurationWords.spell(ms: tightest.resetMs))" }
            lines.append(line)
        }
        lines.append("generation \(response.generation)")
        return lines
    }

    private func headline(for terminal: Terminal) -> String {
        var notes: [String] = []
        switch response.basis {
        case .redis: break
        case .cache: notes.append("an earlier answer that still holds")
        case .local: notes.append("estimated by the service, Redis did not answer in time")
        case .policy: notes.append("by the rules' on_redis_failure, Redis did not answer in time")
        case .UNRECOGNIZED: notes.append("decided on a basis this program does not know")
        }
        if response.duplicate { notes.append("decided before, counted once") }
        let word = terminal.coloured(verdict.name, Colour(verdict))
        return notes.isEmpty ? word : "\(word) (\(notes.joined(separator: "; ")))"
    }

    private var tripsTable: Table {
        var table = Table("RULE", "LIMIT", " USED", "VERDICT", "RETRY AFTER", "NOTE")
        for trip in response.trips {
            var notes: [String] = []
            if trip.shadow { notes.append("shadow") }
            if trip.reason != .limit { notes.append(Self.name(of: trip.reason).uppercased()) }
            // A list has no rule, and counts nothing.
            let isListed = trip.reason == .listed
            table.add(
                isListed ? "-" : .init(trip.rule.printable),
                .init(trip.limit.printable),
                isListed ? "-" : .init(NumberWords.grouped(trip.used)),
                .init(Verdict(trip.verdict) ?? .deny),
                .init(Self.retryWords(for: trip)),
                .init(notes.joined(separator: ", "))
            )
        }
        return table
    }

    private static func retryWords(for trip: WireTrip) -> String {
        if trip.hasRetryAfterMs { return DurationWords.spell(ms: trip.retryAfterMs) }
        return trip.verdict == .allow ? "-" : "never"
    }

    private func limitText(_ text: String, _ headroom: WireHeadroom) -> String {
        text.isEmpty ? "\(headroom.max) per \(DurationText.spell(ms: headroom.windowMs))" : text.printable
    }

    // MARK: JSON

    var json: JSON {
        [
            "verdict": .text(verdict.name),
            "retry_after_ms": .optional(response.hasRetryAfterMs ? response.retryAfterMs : nil),
            "basis": .text(Self.name(of: response.basis)),
            "duplicate": .bool(response.duplicate),
            "generation": .integer(response.generation),
            "trips": .list(response.trips.map(Self.json)),
            "tightest": response.hasTightest ? Self.json(response.tightest) : .null,
        ]
    }

    private static func json(_ trip: WireTrip) -> JSON {
        [
            "rule": .text(trip.rule),
            "limit": .text(trip.limit),
            "window_ms": .integer(trip.windowMs),
            "max": .integer(trip.max),
            "used": .integer(trip.used),
            "verdict": .text((Verdict(trip.verdict) ?? .deny).name),
            "shadow": .bool(trip.shadow),
            "reason": .text(name(of: trip.reason)),
            "retry_after_ms": .optional(trip.hasRetryAfterMs ? trip.retryAfterMs : nil),
        ]
    }

    private static func json(_ headroom: WireHeadroom) -> JSON {
        [
            "rule": .text(headroom.rule),
            "limit": .text(headroom.limit),
            "window_ms": .integer(headroom.windowMs),
            "max": .integer(headroom.max),
            "remaining": .integer(headroom.remaining),
            "reset_ms": .integer(headroom.resetMs),
        ]
    }

    static func name(of basis: WireBasis) -> String {
        switch basis {
        case .redis: "redis"
        case .cache: "cache"
        case .local: "local"
        case .policy: "policy"
        case .UNRECOGNIZED: "unknown"
        }
    }

    private static func name(of reason: WireReason) -> String {
        switch reason {
        case .limit: "limit"
        case .blocked: "blocked"
        case .listed: "listed"
        case .UNRECOGNIZED: "unknown"
        }
    }
}
