/// How people write a length of time: a whole number and one unit, `500ms`, `10s`, `1m`, `2h`, `1d`.
public enum DurationText {
    private static let units: [(name: String, ms: UInt64)] = [
        ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1),
    ]

    /// The milliseconds that `text` stands for, nil if it is not a duration or passes 2^64 - 1.
    public static func parseMs(_ text: some StringProtocol) -> UInt64? {
        let digits = text.utf8.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        let name = text.utf8.dropFirst(digits.count)
        guard let unit = units.first(where: { name.elementsEqual($0.name.utf8) }) else { return nil }
        guard !digits.isEmpty, let number = UInt64(decimal: digits) else { return nil }
        let (ms, overflow) = number.multipliedReportingOverflow(by: unit.ms)
        return overflow ? nil : ms
    }

    /// `ms` in the largest unit that divides it: 60,000 is `1m`, 90,000 is `90s`.
    public static func spell(ms: UInt64) -> String {
        guard ms > 0, let unit = units.first(where: { ms % $0.ms == 0 }) else { return "\(ms)ms" }
        return "\(ms / unit.ms)\(unit.name)"
    }

    /// What somebody who wrote `10 min`, `1.5h`, `1h30m` or `2w` should write instead; nil if that is anyone's guess.
    static func nearest(to text: String) -> String? {
        guard text.utf8.count <= 32 else { return nil }
        var rest = Substring(text.lowercased().filter { !$0.isWhitespace })
        var total = 0.0
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let number = rest.prefix { $0.isNumber || $0 == "." || $0 == "_" }
            rest = rest.dropFirst(number.count)
            let unit = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(unit.count)
            guard let value = Double(number.filter { $0 != "_" }), let ms = unitMs(spelled: unit) else { return nil }
            total += value * ms
        }
        guard total >= 1, total <= Double(Caps.windowMs) else { return nil }
        return spell(ms: UInt64(total.rounded()))
    }

    private static func unitMs(spelled unit: Substring) -> Double? {
        switch unit {
        case "ms", "msec", "msecs", "millis", "millisecond", "milliseconds": 1
        case "s", "sec", "secs", "second", "seconds": 1_000
        case "m", "min", "mins", "minute", "minutes": 60_000
        case "h", "hr", "hrs", "hour", "hours": 3_600_000
        case "d", "day", "days": 86_400_000
        case "w", "wk", "wks", "week", "weeks": 7 * 86_400_000
        case "mo", "month", "months": 30 * 86_400_000
        default: nil
        }
    }
}

extension UInt64 {
    /// The number written by decimal digits alone, nil if it passes 2^64 - 1.
    public init?(decimal digits: some Sequence<UInt8>) {
        self = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            let (tenfold, overflow) = multipliedReportingOverflow(by: 10)
            let (sum, carry) = tenfold.addingReportingOverflow(UInt64(digit - UInt8(ascii: "0")))
            guard !overflow, !carry else { return nil }
            self = sum
        }
    }
}
