/// Counts of values in buckets with fixed upper bounds, and their sum: what Prometheus calls a histogram.
struct FixedHistogram: Sendable {
    /// Upper bounds, ascending, in the unit of the values.
    let bounds: [UInt64]
    /// One for each bound, and one for what is beyond the last.
    private(set) var counts: [UInt64]
    private(set) var sum: UInt64 = 0

    init(bounds: [UInt64]) {
        self.bounds = bounds
        counts = Array(repeating: 0, count: bounds.count + 1)
    }

    /// Of times in microseconds: 50 µs to 1 s.
    static var micros: FixedHistogram {
        FixedHistogram(bounds: [
            50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 1_000_000,
        ])
    }

    /// Of the requests in a script run.
    static var batch: FixedHistogram {
        FixedHistogram(bounds: [1, 2, 4, 8, 16, 32, 64, 128, 256])
    }

    var count: UInt64 { counts.reduce(0, &+) }

    mutating func record(_ value: UInt64) {
        var bucket = 0
        while bucket < bounds.count, value > bounds[bucket] { bucket += 1 }
        counts[bucket] &+= 1
        sum &+= value
    }

    mutating func add(_ other: FixedHistogram) {
        for bucket in counts.indices { counts[bucket] &+= other.counts[bucket] }
        sum &+= other.sum
    }

    /// What was recorded since `earlier`.
    func since(_ earlier: FixedHistogram) -> FixedHistogram {
        var difference = self
        for bucket in counts.indices { difference.counts[bucket] &-= earlier.counts[bucket] }
        difference.sum = sum &- earlier.sum
        return difference
    }

    /// The value below which `share` of all lie, interpolated in its bucket; nil of nothing. What is beyond the last
    /// bound is taken to be at it.
    func quantile(_ share: Double) -> Double? {
        let total = count
        guard total > 0 else { return nil }
        let rank = share * Double(total)
        var passed = 0.0
        for (bucket, count) in counts.enumerated() where count > 0 {
            let next = passed + Double(count)
            if next >= rank {
                guard bucket < bounds.count else { return Double(bounds[bounds.count - 1]) }
                let low = bucket == 0 ? 0 : Double(bounds[bucket - 1])
                return low + (Double(bounds[bucket]) - low) * max(0, rank - passed) / Double(count)
            }
            passed = next
        }
        return Double(bounds[bounds.count - 1])
    }
}
