/// A length of time as people say it: its two largest units, `4m 10s`, rounded up so that nobody comes back too early.
enum DurationWords {
    private static let units: [(name: String, ms: UInt64)] = [
        ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000),
    ]

    /// `ms` below a second stays in milliseconds.
    static func spell(ms: UInt64) -> String {
        if ms < 1_000 { return "\(ms)ms" }
        for (index, unit) in units.enumerated() where ms >= unit.ms {
            guard index + 1 < units.count else { return "\(roundedUp(ms, to: unit.ms))s" }
            let next = units[index + 1]
            let parts = roundedUp(ms, to: next.ms)
            let perUnit = unit.ms / next.ms
            // 59m 59.5s rounds up to an hour, which is said as one.
            if index > 0, parts * next.ms >= units[index - 1].ms { return "1\(units[index - 1].name)" }
            let (whole, rest) = parts.quotientAndRemainder(dividingBy: perUnit)
            return rest == 0 ? "\(whole)\(unit.name)" : "\(whole)\(unit.name) \(rest)\(next.name)"
        }
        return "\(ms)ms"
    }

    private static func roundedUp(_ ms: UInt64, to unit: UInt64) -> UInt64 {
        let (quotient, remainder) = ms.quotientAndRemainder(dividingBy: unit)
        return remainder == 0 ? quotient : quotient + 1
    }
}
