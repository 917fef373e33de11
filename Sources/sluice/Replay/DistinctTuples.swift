import SluiceModel

/// How many different tuples were added: exact up to a bound, and said to be at least that beyond it.
///
/// A tuple is held as a hash of 128 bits keyed anew in every process: whoever made the events cannot make two of them
/// meet, and by chance a million meet once in 10^26.
struct DistinctTuples {
    static let bound = 1_000_000

    private struct Fingerprint: Hashable {
        var high: Int
        var low: Int
    }

    private var fingerprints: Set<Fingerprint> = []
    private(set) var isBeyondBound = false

    var count: Int { fingerprints.count }

    /// `1,234`, or `>= 1,000,000`.
    var words: String { (isBeyondBound ? ">= " : "") + NumberWords.grouped(count) }

    /// - Parameter tuple: the values in the order of the rule's dimensions.
    mutating func insert(_ tuple: [ArraySlice<UInt8>]) {
        let fingerprint = Fingerprint(high: Self.hash(tuple, salt: 0), low: Self.hash(tuple, salt: 1))
        if fingerprints.count < Self.bound {
            fingerprints.insert(fingerprint)
        } else if !fingerprints.contains(fingerprint) {
            isBeyondBound = true
        }
    }

    /// `Hasher` is SipHash, keyed by the process. A slice hashes its length too, so neighbours do not run together.
    private static func hash(_ tuple: [ArraySlice<UInt8>], salt: UInt8) -> Int {
        var hasher = Hasher()
        hasher.combine(salt)
        hasher.combine(tuple)
        return hasher.finalize()
    }
}
