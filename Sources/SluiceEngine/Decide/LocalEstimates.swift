import Foundation
import SluiceModel

/// What this event loop counts by itself of rules that ask for it while Redis cannot be asked: an estimate of each
/// counter over a sliding window, in bounded memory.
///
/// A counter is two numbers, of the window that runs and of the one before, of which the part counts that still overlaps
/// the last W ("sliding window counter", as in Cloudflare's rate limiting, 2017). Of distinct values it is two bitmaps of
/// 64, from which their number is estimated (linear counting: Whang, Vander-Zanden and Taylor, 1990).
struct LocalEstimates {
    private struct Entry {
        /// Of the key and the field; 0: free.
        var hash: UInt64 = 0
        /// Number of the window that runs.
        var window: UInt64 = 0
        var current: UInt64 = 0
        var before: UInt64 = 0
        /// When it was last used, in ms.
        var usedMs: UInt64 = 0
    }

    /// Entries that share a place.
    private static let ways = 8

    private var entries: [Entry]
    private let mask: Int

    /// - Parameter capacity: counters at most, rounded up to a power of two; the longest unused of eight gives way.
    init(capacity: Int) {
        var sets = 1
        while sets * Self.ways < capacity { sets *= 2 }
        entries = []
        mask = sets - 1
    }

    /// How much of `max` one event loop of one instance may let through by itself.
    ///
    /// - Parameter sharers: event loops in all.
    static func share(of max: UInt64, among sharers: UInt64) -> UInt64 {
        max == 0 ? 0 : Swift.max(1, max / sharers)
    }

    /// The place of a counter, brought to `nowMs`.
    private mutating func place(of hash: UInt64, windowMs: UInt64, nowMs: UInt64) -> Int {
        if entries.isEmpty { entries = Array(repeating: Entry(), count: (mask + 1) * Self.ways) }
        let hash = Swift.max(hash, 1)
        let first = (Int(truncatingIfNeeded: hash) & mask) * Self.ways
        var place = first
        for way in first..<first + Self.ways {
            if entries[way].hash == hash {
                place = way
                break
            }
            if entries[way].usedMs < entries[place].usedMs { place = way }
        }
        let window = nowMs / windowMs
        if entries[place].hash != hash {
            entries[place] = Entry(hash: hash, window: window)
        } else if window > entries[place].window {
            entries[place].before = window == entries[place].window + 1 ? entries[place].current : 0
            (entries[place].current, entries[place].window) = (0, window)
        }
        entries[place].usedMs = nowMs
        return place
    }

    /// How much of a counter is used.
    mutating func used(_ hash: UInt64, windowMs: UInt64, nowMs: UInt64) -> UInt64 {
        let entry = entries[place(of: hash, windowMs: windowMs, nowMs: nowMs)]
        // Rounded up: an estimate errs to the strict side.
        let overlap = Double(windowMs - nowMs % windowMs) / Double(windowMs)
        let before = UInt64((Double(entry.before) * overlap).rounded(.up))
        return entry.current > Caps.exactInteger - before ? Caps.exactInteger : entry.current + before
    }

    mutating func add(_ weight: UInt64, to hash: UInt64, windowMs: UInt64, nowMs: UInt64) {
        let place = place(of: hash, windowMs: windowMs, nowMs: nowMs)
        entries[place].current =
            min(entries[place].current, Caps.exactInteger - min(weight, Caps.exactInteger)) + weight
    }

    /// How many distinct values a counter has seen, about, and whether `member` may be one of them.
    mutating func distinct(_ hash: UInt64, member: UInt64, windowMs: UInt64, nowMs: UInt64) -> (UInt64, Bool) {
        let entry = entries[place(of: hash, windowMs: windowMs, nowMs: nowMs)]
        let seen = entry.current | entry.before
        let zeros = Double(64 - seen.nonzeroBitCount)
        let estimate = zeros == 0 ? Double(Caps.distinctMax) : -64 * log(zeros / 64)
        return (UInt64(estimate.rounded()), seen & 1 << (member & 63) != 0)
    }

    mutating func insert(member: UInt64, into hash: UInt64, windowMs: UInt64, nowMs: UInt64) {
        entries[place(of: hash, windowMs: windowMs, nowMs: nowMs)].current |= 1 << (member & 63)
    }
}
