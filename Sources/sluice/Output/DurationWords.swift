/// A length of time as people say it: its two largest units, `4m 10s`, rounded up so that nobody comes back too early.
enum DurationWords {
    private static let units: [(name: String, ms: UInt64)] = [
        ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000),
    ]

    /// `ms` below a second stays in milliseconds.
    static func spell(ms: UInt64) -> String {
        guard ms >= 1_000, let index = units.firstIndex(where: { ms >= $0.ms }) else { return "\(ms)ms" }
        let (unit, next) = (units[index], units[min(index + 1, units.count - 1)])
        let rounded = roundedUp(ms, to: next.ms)
        // 59m 59.5s rounds up to an hour, which is said as one.
        if index > 0, rounded >= units[index - 1].ms { return "1\(units[index - 1].name)" }
        let (whole, rest) = rounded.quotientAndRemainder(dividingBy: unit.ms)
        return rest == 0 ? "\(whole)\(unit.name)" : "\(whole)\(unit.name) \(rest / next.ms)\(next.name)"
    }

    private static func roundedUp(_ ms: UInt64, to unit: UInt64) -> UInt64 {
        let remainder = ms % unit
        let (rounded, overflow) = (ms - remainder).addingReportingOverflow(remainder == 0 ? 0 : unit)
        return overflow ? ms - remainder : rounded
    }
}
