/// One metric with all of its series, as Prometheus's text format has them
/// (https://prometheus.io/docs/instrumenting/exposition_formats/).
struct MetricFamily: Sendable {
    enum Kind: String, Sendable {
        case counter
        case gauge
        case histogram
    }

    struct Sample: Sendable {
        /// Of a histogram: `_bucket`, `_sum` or `_count`; else empty.
        var suffix = ""
        /// Names and values; the values are escaped here and nowhere else.
        var labels: [(name: String, value: String)] = []
        var value: Double
    }

    let name: String
    let kind: Kind
    let help: String
    private(set) var samples: [Sample] = []

    init(_ kind: Kind, _ name: String, _ help: String) {
        self.kind = kind
        self.name = name
        self.help = help
    }

    init(_ kind: Kind, _ name: String, _ help: String, _ value: Double) {
        self.init(kind, name, help)
        add(value)
    }

    mutating func add(_ value: Double, _ labels: (name: String, value: String)...) {
        samples.append(Sample(labels: labels, value: value))
    }

    /// - Parameter scale: what one unit of the values is in the unit of the metric's name.
    mutating func add(_ histogram: FixedHistogram, scale: Double) {
        var passed: UInt64 = 0
        for (bound, count) in zip(histogram.bounds, histogram.counts) {
            passed += count
            let le = Self.text(Double(bound) * scale)
            samples.append(Sample(suffix: "_bucket", labels: [("le", le)], value: Double(passed)))
        }
        samples.append(Sample(suffix: "_bucket", labels: [("le", "+Inf")], value: Double(histogram.count)))
        samples.append(Sample(suffix: "_sum", value: Double(histogram.sum) * scale))
        samples.append(Sample(suffix: "_count", value: Double(histogram.count)))
    }

    /// `name{label="value"}` of a sample.
    func series(of sample: Sample) -> String {
        guard !sample.labels.isEmpty else { return name + sample.suffix }
        let labels = sample.labels.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",")
        return "\(name)\(sample.suffix){\(labels)}"
    }

    /// Appends its lines.
    func write(to text: inout String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
        for sample in samples { text += "\(series(of: sample)) \(Self.text(sample.value))\n" }
    }

    private static func text(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 9e15 ? String(Int64(value)) : "\(value)"
    }

    private static func escaped(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 == 0x22 || $0 == 0x5C || $0 == 0x0A }) else { return text }
        return text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }
}
