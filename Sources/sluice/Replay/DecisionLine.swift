import SluiceModel
import SluiceWire

/// The line of the decisions file about one event.
enum DecisionLine {
    /// - Parameter number: of the event, counted from 0 over all lines that are not blank.
    static func decided(_ number: UInt64, _ response: WireCheckResponse) -> JSON {
        [
            "n": .integer(number),
            "verdict": .text((Verdict(response.verdict) ?? .deny).name),
            "retry_after_ms": .optional(response.hasRetryAfterMs ? response.retryAfterMs : nil),
            "trips": .list(response.trips.map(json)),
        ]
    }

    static func bad(_ number: UInt64, _ error: String) -> JSON {
        ["n": .integer(number), "error": .text(error)]
    }

    private static func json(_ trip: WireTrip) -> JSON {
        [
            "rule": .text(trip.rule),
            "window_ms": .integer(trip.windowMs),
            "max": .integer(trip.max),
            "used": .integer(trip.used),
            "verdict": .text((Verdict(trip.verdict) ?? .deny).name),
            "shadow": .bool(trip.shadow),
            "retry_after_ms": .optional(trip.hasRetryAfterMs ? trip.retryAfterMs : nil),
        ]
    }
}
