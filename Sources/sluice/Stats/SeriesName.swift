/// A series as Prometheus writes it: `sluice_trips_total{rule="logins",limit="5 per 10m"}`.
struct SeriesName {
    /// What all series of a kind have in common.
    var family: String
    var labels: [String: String] = [:]

    /// Nil for what is not written so.
    init?(_ text: String) {
        guard let brace = text.firstIndex(of: "{") else {
            family = text
            return
        }
        family = String(text[..<brace])
        var rest = text.unicodeScalars[brace...].dropFirst()
        while rest.first != "}" {
            guard let equals = rest.firstIndex(of: "=") else { return nil }
            let name = String(rest[..<equals])
            rest = rest[equals...].dropFirst()
            guard rest.popFirst() == "\"", let value = Self.value(&rest) else { return nil }
            labels[name] = value
            if rest.first == "," { rest.removeFirst() }
        }
        guard rest.count == 1 else { return nil }
    }

    /// Reads up to the closing quote, which goes too.
    private static func value(_ rest: inout Substring.UnicodeScalarView) -> String? {
        var value = String.UnicodeScalarView()
        while let scalar = rest.popFirst() {
            switch scalar {
            case "\"": return String(value)
            case "\\":
                guard let escaped = rest.popFirst() else { return nil }
                value.append(escaped == "n" ? "\n" : escaped)
            default: value.append(scalar)
            }
        }
        return nil
    }
}
