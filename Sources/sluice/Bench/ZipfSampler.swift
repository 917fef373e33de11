import Glibc

/// Ranks from 1 to `count` with probability proportional to 1 / rank^exponent, in constant time and no table.
///
/// Rejection-inversion: W. Hörmann, G. Derflinger, "Rejection-inversion to generate variates from monotone discrete
/// distributions", ACM TOMACS 6 (1996). With H an integral of h(x) = x^-exponent, H^-1 of a uniform number between
/// H(1.5) - 1 and H(count + 0.5) is rounded to a rank and kept if it lies in that rank's share; so is more than 9 in 10.
struct ZipfSampler: Sendable {
    private let count: Double
    private let exponent: Double
    private let lowest: Double
    private let highest: Double
    /// A rank this close above its x is kept without a look at H.
    private let squeeze: Double

    /// - Parameters:
    ///   - count: at least 1.
    ///   - exponent: above 0; 1 too.
    init(count: Int, exponent: Double) {
        self.count = Double(count)
        self.exponent = exponent
        lowest = Self.integral(1.5, exponent) - 1
        highest = Self.integral(Double(count) + 0.5, exponent)
        squeeze = 2 - Self.inverse(Self.integral(2.5, exponent) - Self.density(2, exponent), exponent)
    }

    func next(using numbers: inout SplitMix64) -> Int {
        while true {
            let u = highest + numbers.nextFraction() * (lowest - highest)
            let x = Self.inverse(u, exponent)
            // Rounding may lead past either end.
            let rank = min(max(x.rounded(), 1), count)
            if rank - x <= squeeze
                || u >= Self.integral(rank + 0.5, exponent) - Self.density(rank, exponent)
            {
                return Int(rank)
            }
        }
    }

    private static func density(_ x: Double, _ exponent: Double) -> Double { exp(-exponent * log(x)) }

    /// (x^(1 - e) - 1) / (1 - e), and log(x) for e = 1: as expm1(t) / t, which passes through there smoothly.
    private static func integral(_ x: Double, _ exponent: Double) -> Double {
        let logarithm = log(x)
        let t = (1 - exponent) * logarithm
        return (abs(t) > 1e-8 ? expm1(t) / t : 1 + t / 2) * logarithm
    }

    private static func inverse(_ value: Double, _ exponent: Double) -> Double {
        // Below -1 only by rounding.
        let t = max(value * (1 - exponent), -1)
        return exp((abs(t) > 1e-8 ? log1p(t) / t : 1 - t / 2) * value)
    }
}
