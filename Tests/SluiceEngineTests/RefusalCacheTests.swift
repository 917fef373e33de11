import SluiceModel
import Testing

@testable import SluiceEngine

/// The table of the deny cache by itself, at times of the test's own.
@Suite("What the deny cache keeps")
struct RefusalCacheTests {
    private static func cache(_ capacity: Int, _ drops: RefusalDrops = RefusalDrops()) -> RefusalCache {
        RefusalCache(capacity: capacity, drops: drops)
    }

    private static func refusal(
        _ variant: Int32 = 0, limit: UInt8 = 0, weight: UInt64 = 1, until: UInt64,
        scoutFrom: UInt64 = RefusalCache.never, drop: UInt64 = 0
    ) -> RefusalCache.Refusal {
        RefusalCache.Refusal(
            variant: variant, limit: limit, isBlocked: false, weight: weight, used: 9, passesAt: until + 1,
            until: until, scoutFrom: scoutFrom, drop: drop)
    }

    private static func find(
        _ cache: RefusalCache, _ key: [UInt8], variant: Int32 = 0, weight: UInt64 = 1, at now: UInt64
    ) -> UInt8 {
        key.withUnsafeBytes {
            cache.find($0, hash: cache.drops.hash($0), variant: variant, weight: weight, at: now)
        }
    }

    private static func key(_ number: Int) -> [UInt8] { Array("sluice1:{user=u\(number)}".utf8) }

    @Test("A refusal is found for its own entity, variant and weight, until its time is over")
    func finds() {
        let cache = Self.cache(64)
        cache.keep(Self.refusal(weight: 3, until: 100), for: Self.key(1), at: 0)
        cache.keep(Self.refusal(limit: 1, weight: 5, until: 200), for: Self.key(1), at: 0)
        #expect(Self.find(cache, Self.key(1), weight: 3, at: 50) == 0b01)
        #expect(Self.find(cache, Self.key(1), weight: 5, at: 99) == 0b11)
        #expect(Self.find(cache, Self.key(1), weight: 5, at: 100) == 0b10)
        #expect(Self.find(cache, Self.key(1), weight: 2, at: 50) == 0)
        #expect(Self.find(cache, Self.key(1), variant: 1, weight: 5, at: 50) == 0)
        #expect(Self.find(cache, Self.key(2), weight: 5, at: 50) == 0)
        #expect(cache.mayRefuse(0, at: 199) && !cache.mayRefuse(0, at: 200) && !cache.mayRefuse(1, at: 0))
        #expect(!cache.isOver(at: 199) && cache.isOver(at: 200))
        cache.reset()
        #expect(Self.find(cache, Self.key(1), weight: 5, at: 50) == 0 && cache.isOver(at: 0))
    }

    @Test("A heavier refusal does not take the place of a lighter one that still holds")
    func lighter() {
        let cache = Self.cache(64)
        cache.keep(Self.refusal(weight: 2, until: 100), for: Self.key(1), at: 0)
        cache.keep(Self.refusal(weight: 5, until: 200), for: Self.key(1), at: 0)
        #expect(Self.find(cache, Self.key(1), weight: 2, at: 50) == 1)
        cache.keep(Self.refusal(weight: 5, until: 200), for: Self.key(1), at: 100)
        #expect(Self.find(cache, Self.key(1), weight: 5, at: 150) == 1)
        #expect(cache.count(at: 150) == 1 && cache.evictions == 0)
    }

    @Test("Shortly before its end one request of the same weight is let through, and the others are not")
    func scouts() {
        let cache = Self.cache(64)
        cache.keep(Self.refusal(weight: 2, until: 100, scoutFrom: 90), for: Self.key(1), at: 0)
        for (weight, now, scouts) in [
            (2, 89, false), (3, 90, false), (2, 90, true), (2, 91, false), (2, 99, false),
        ] as [(UInt64, UInt64, Bool)] {
            cache.isScouting = false
            #expect(Self.find(cache, Self.key(1), weight: weight, at: now) == 1)
            #expect(cache.isScouting == scouts, "\(weight) at \(now)")
        }
        // What the scout brings takes the place of what it left.
        cache.keep(Self.refusal(weight: 2, until: 200, scoutFrom: 190), for: Self.key(1), at: 95)
        #expect(Self.find(cache, Self.key(1), weight: 2, at: 150) == 1 && cache.count(at: 150) == 1)
    }

    @Test("It never holds more than its capacity, and in a full set the one that ends first goes")
    func evicts() {
        let cache = Self.cache(8)
        for number in 0..<8 {
            cache.keep(Self.refusal(until: UInt64(100 + (number * 5) % 8)), for: Self.key(number), at: 0)
        }
        #expect(cache.count(at: 0) == 8 && cache.evictions == 0)
        cache.keep(Self.refusal(until: 300), for: Self.key(8), at: 0)
        #expect(cache.count(at: 0) == 8 && cache.evictions == 1)
        let held = (0..<9).filter { Self.find(cache, Self.key($0), at: 50) == 1 }
        #expect(held == [1, 2, 3, 4, 5, 6, 7, 8])

        let large = Self.cache(1_000)
        #expect(large.capacity == 1_000)
        for number in 0..<10_000 { large.keep(Self.refusal(until: 100), for: Self.key(number), at: 0) }
        #expect(large.count(at: 0) == 1_000 && large.evictions == 9_000)
        // What has ended makes room for nothing.
        for number in 0..<100 { large.keep(Self.refusal(until: 300), for: Self.key(number), at: 100) }
        #expect(large.evictions < 9_005 && large.count(at: 100) >= 95)
    }

    @Test("Entities are spread over the sets: half full, hardly any has to go")
    func spreads() {
        let cache = Self.cache(16_384)
        for number in 0..<8_192 {
            cache.keep(Self.refusal(Int32(number % 2), until: 100), for: Self.key(number / 2), at: 0)
        }
        // Eight places and four entities on average: a set overflows once in fifty.
        #expect(cache.evictions < 400)
        #expect(cache.count(at: 0) == 8_192 - Int(cache.evictions))
    }

    @Test("A drop voids what was refused before it, and what a run begun before it brings afterwards")
    func drops() {
        let drops = RefusalDrops()
        let caches = [Self.cache(64, drops), Self.cache(64, drops)]
        for cache in caches {
            cache.keep(Self.refusal(until: 100, drop: drops.current), for: Self.key(1), at: 0)
            cache.keep(Self.refusal(until: 100, drop: drops.current), for: Self.key(2), at: 0)
        }
        let before = drops.current
        drops.drop(Self.key(1))
        for cache in caches {
            #expect(Self.find(cache, Self.key(1), at: 50) == 0)
            #expect(Self.find(cache, Self.key(2), at: 50) == 1)
            cache.keep(Self.refusal(until: 100, drop: before), for: Self.key(1), at: 50)
            #expect(Self.find(cache, Self.key(1), at: 50) == 0)
            cache.keep(Self.refusal(until: 100, drop: drops.current), for: Self.key(1), at: 50)
            #expect(Self.find(cache, Self.key(1), at: 50) == 1)
        }
    }

    @Test("Keys longer than its places and a capacity of 0 keep nothing")
    func bounds() {
        let cache = Self.cache(8)
        let longest = Array(repeating: UInt8(ascii: "k"), count: RefusalCache.longestKey)
        cache.keep(Self.refusal(until: 100), for: longest, at: 0)
        #expect(Self.find(cache, longest, at: 0) == 1)
        cache.keep(Self.refusal(until: 100), for: longest + [1], at: 0)
        #expect(Self.find(cache, longest + [1], at: 0) == 0)
        let none = Self.cache(0)
        none.keep(Self.refusal(until: 100), for: Self.key(1), at: 0)
        #expect(Self.find(none, Self.key(1), at: 0) == 0 && none.count(at: 0) == 0)
        let few = Self.cache(3)
        for number in 0..<9 { few.keep(Self.refusal(until: 100), for: Self.key(number), at: 0) }
        #expect(few.capacity == 3 && few.count(at: 0) == 3)
    }
}

extension RefusalCache {
    fileprivate func keep(_ refusal: Refusal, for key: [UInt8], at now: UInt64) {
        key.withUnsafeBytes { keep(refusal, for: $0, at: now) }
    }
}
