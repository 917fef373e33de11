import NIOCore
import SluiceModel

/// What the decide script is told of each variant, written once per rule set: a batch copies it.
struct ScriptPlan: Sendable {
    /// Without an array of its own: to look at one counts no references.
    struct Variant: Sendable {
        /// Section V of the script's numbers, in `bytes`.
        var numbers: Range<Int>
        /// Arguments behind the words, in RESP: the fields of the tuple, then the field of each counter. In `bytes`.
        var arguments: Range<Int>
        var argumentCount: Int
        /// Per counter, a number for its field, unique in the rule set. In `fields`.
        var fields: Range<Int>
        var limitCount: Int
        /// The dimension whose values it tells apart, or -1.
        var member: Int32
        /// Whether it adds up amounts.
        var isSum: Bool
        /// Whether it counts by one limit, enforced: enough for a brief request.
        var isBrief: Bool
    }

    let variants: [Variant]
    let bytes: [UInt8]
    let fields: [Int32]

    /// - Parameter births: since when a counter's window is in force, Unix ms, by field; only of those young enough for
    ///   it to matter.
    init(_ rules: RuleSet, births: [String: UInt64]) {
        let tupleFields = rules.tuples.map { "|" + $0.fields.joined(separator: "|") + "|" }
        let prints = tupleFields.map(Self.fingerprint)
        var numbers: [String: Int32] = [:]
        for field in rules.variants.lazy.flatMap({ $0.counters.lazy.map(\.field) }) where numbers[field] == nil {
            numbers[field] = Int32(numbers.count)
        }
        var (bytes, fields): ([UInt8], [Int32]) = ([], [])
        variants = rules.variants.map { variant in
            let rule = rules.rules[variant.rule]
            let tuple = rules.tupleOfRule[variant.rule]
            var section = ByteBuffer()
            let isYoung = variant.counters.contains { births[$0.field] != nil }
            let flags: UInt64 = (rule.counting == .attempts ? 1 : 0) + (rule.shadow ? 2 : 0) + (isYoung ? 4 : 0)
            section.writeNumbers([
                flags, UInt64(prints[tuple]), Self.code(of: rule.measure), UInt64(Self.kind(of: rule.measure)),
                UInt64(variant.counters.count), UInt64(variant.limits.count),
            ])
            for counter in variant.counters {
                section.writeNumbers([counter.windowMs, counter.resolution.tickMs, UInt64(counter.pairCap ?? 0)])
                if isYoung { section.writeNumbers([births[counter.field] ?? 0]) }
            }
            for (limit, counter) in zip(variant.limits, variant.counterOfLimit) {
                section.writeNumbers([
                    UInt64(counter) + 1, limit.max, UInt64(limit.verdict.rawValue), UInt64(limit.blockForMs.count),
                ])
                section.writeNumbers(limit.blockForMs)
            }
            var arguments = ByteBuffer()
            arguments.writeBulk(tupleFields[tuple].utf8)
            for counter in variant.counters { arguments.writeBulk(counter.field.utf8) }
            let start = bytes.count
            bytes += section.readableBytesView
            let middle = bytes.count
            bytes += arguments.readableBytesView
            let firstField = fields.count
            fields += variant.counters.map { numbers[$0.field]! }
            return Variant(
                numbers: start..<middle,
                arguments: middle..<bytes.count,
                argumentCount: 1 + variant.counters.count,
                fields: firstField..<fields.count,
                limitCount: variant.limits.count,
                member: Int32(rules.distinctDimensionOfRule[variant.rule] ?? -1),
                isSum: rule.measure == .sum,
                isBrief: rule.measure == .count && !rule.shadow && variant.counters.count == 1
                    && variant.limits.count == 1
            )
        }
        (self.bytes, self.fields) = (bytes, fields)
    }

    /// 16 bits of FNV-1a over the fields of a tuple. A cell that carries another was written under other rules, and
    /// its hash may hold fields that are no longer in force.
    private static func fingerprint(_ fields: String) -> UInt16 {
        let hash = Array(fields.utf8).withUnsafeBytes { ByteTable.hash($0) }
        return UInt16(truncatingIfNeeded: hash ^ (hash >> 16))
    }

    /// Counters of different dimensions' values are counters of different measures.
    private static func kind(of measure: Measure) -> UInt16 {
        measure.distinctDimension.map(fingerprint) ?? 0
    }

    /// What the scripts call a measure.
    static func code(of measure: Measure) -> UInt64 {
        switch measure {
        case .count: 0
        case .sum: 1
        case .distinct: 2
        }
    }
}

extension ByteBuffer {
    /// Appends numbers below 2^56, big-endian, as the decide script takes them.
    mutating func writeNumbers(_ numbers: [UInt64]) {
        for number in numbers {
            for shift in stride(from: UInt64(48), through: 0, by: -8) {
                writeInteger(UInt8(truncatingIfNeeded: number >> shift))
            }
        }
    }

    /// Appends a RESP bulk string.
    mutating func writeBulk(_ bytes: some Collection<UInt8>) {
        writeInteger(UInt8(ascii: "$"))
        writeDecimal(bytes.count)
        writeStaticString("\r\n")
        writeBytes(bytes)
        writeStaticString("\r\n")
    }

    /// Appends a non-negative number in decimal digits.
    mutating func writeDecimal(_ number: Int) {
        var digits: InlineArray<20, UInt8> = .init(repeating: 0)
        var first = 20
        var rest = number
        repeat {
            first -= 1
            digits[first] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        } while rest > 0
        for index in first..<20 { writeInteger(digits[index]) }
    }
}
