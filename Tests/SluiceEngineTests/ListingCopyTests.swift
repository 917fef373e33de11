import SluiceModel
import Testing

@testable import SluiceEngine

@Suite("A copy of the lists, page by page")
struct ListingCopyTests {
    private static let deny = Listing(kind: .deny, untilMs: 0, sinceMs: 1, by: "", reason: "")

    private static func field(_ name: String) -> ListingField { ListingField(dimension: "user", value: name.utf8) }

    private static func page(
        _ changes: [(String, Listing?)], version: UInt64, floor: UInt64 = 0, entries: Int, readTo: UInt64? = nil,
        isLast: Bool = true
    ) -> ListingPage {
        ListingPage(
            redisTimeMs: 0, version: version, floor: floor, entries: entries,
            changes: changes.map { .init(field: field($0), listing: $1) }, readTo: readTo ?? version, isLast: isLast)
    }

    /// A copy that an expectation can move on.
    private final class Reader {
        var copy = ListingCopy()

        func take(_ page: ListingPage) -> ListingCopy.Step { copy.take(page) }
    }

    private static func current() -> Reader {
        let reader = Reader()
        #expect(reader.take(page([("a", deny)], version: 10, entries: 1)) == .current)
        return reader
    }

    @Test("It is current with the first page that is the last")
    func loading() {
        let reader = Reader()
        #expect(reader.take(Self.page([("a", Self.deny)], version: 20, entries: 2, readTo: 10, isLast: false)) == .more)
        #expect(!reader.copy.isCurrent && reader.copy.version == 10)
        #expect(reader.take(Self.page([("b", Self.deny)], version: 20, entries: 2)) == .current)
        #expect(reader.copy.isCurrent && reader.copy.version == 20)
        #expect(Set(reader.copy.listings.keys) == [Self.field("a"), Self.field("b")])
    }

    @Test("It follows what comes and goes, and knows what the last page changed")
    func following() {
        let reader = Self.current()
        #expect(reader.take(Self.page([("a", nil), ("b", Self.deny)], version: 30, entries: 1)) == .current)
        #expect(Array(reader.copy.listings.keys) == [Self.field("b")])
        #expect(reader.copy.changed == [Self.field("a"), Self.field("b")])
        #expect(reader.take(Self.page([], version: 30, entries: 1)) == .current)
        #expect(reader.copy.changed.isEmpty)
    }

    @Test("What it has not seen and can see no more makes it start over")
    func behindTheFloor() {
        var reader = Self.current()
        #expect(reader.take(Self.page([], version: 30, floor: 10, entries: 1, readTo: 10)) == .current)
        #expect(reader.take(Self.page([("b", Self.deny)], version: 40, floor: 11, entries: 1)) == .startOver)
        // A new one need not have seen what went before it began.
        reader = Reader()
        #expect(
            reader.take(Self.page([("b", Self.deny)], version: 40, floor: 11, entries: 2, readTo: 5, isLast: false))
                == .more)
        #expect(reader.take(Self.page([("c", Self.deny)], version: 40, floor: 12, entries: 2)) == .current)
        // But what goes while it reads, and is forgotten before it gets there, it has to.
        reader = Reader()
        _ = reader.take(Self.page([("b", Self.deny)], version: 40, entries: 2, readTo: 5, isLast: false))
        #expect(reader.take(Self.page([], version: 60, floor: 41, entries: 1)) == .startOver)
    }

    @Test("A Redis that is behind, or has another number of listings, makes it start over")
    func lostWrites() {
        var reader = Self.current()
        #expect(reader.take(Self.page([], version: 9, entries: 1)) == .startOver)
        reader = Self.current()
        #expect(reader.take(Self.page([("b", Self.deny)], version: 30, entries: 1)) == .startOver)
        reader = Self.current()
        #expect(reader.take(Self.page([], version: 0, entries: 0, readTo: 10)) == .startOver)
    }

    @Test("A listing that a later version wrote is left alone, and does not make it start over and over")
    func unreadable() {
        let reader = Reader()
        #expect(reader.take(Self.page([("a", Self.deny), ("later", nil)], version: 10, entries: 2)) == .current)
        #expect(reader.take(Self.page([("b", Self.deny)], version: 20, entries: 3)) == .current)
        #expect(reader.copy.listings.count == 2)
    }

    @Test(
        "A value of the hash is read whole, or not at all",
        arguments: [
            ("1 0 7 3 annwhy not", Listing(kind: .deny, untilMs: 0, sinceMs: 7, by: "ann", reason: "why not")),
            ("3 99 7 0 ", Listing(kind: .watch, untilMs: 99, sinceMs: 7, by: "", reason: "")),
            ("", nil), ("1", nil), ("1 0 7", nil), ("4 0 7 0 ", nil), ("0 0 7 0 ", nil), ("257 0 7 0 ", nil),
            ("1 -1 7 0 ", nil), ("1 0 7 4 ann", nil), ("1 0 7 99999999999999999999 ann", nil), ("x 0 7 0 ", nil),
        ] as [(String, Listing?)])
    func values(value: String, listing: Listing?) {
        #expect(Array(value.utf8).withUnsafeBytes { Listing($0) } == listing)
    }

    @Test("Over another connection all is read again, and until that is done what was in force stays so")
    func anotherConnection() {
        let (first, second) = (
            ServiceCore.RedisSource(lane: 0, connects: 1), ServiceCore.RedisSource(lane: 0, connects: 2)
        )
        let follower = Follower()
        #expect(follower.take(Self.page([("a", Self.deny)], version: 10, entries: 1), first) == .renewed)
        #expect(
            follower.take(Self.page([("b", Self.deny)], version: 20, entries: 2), first) == .current([Self.field("b")]))
        // Whatever the first page says: it was asked for behind a version of another Redis, perhaps.
        #expect(follower.take(Self.page([], version: 30, entries: 2), second) == .more([]))
        #expect(follower.value.version == 0)
        #expect(
            follower.take(Self.page([("c", Self.deny)], version: 30, entries: 2, readTo: 25, isLast: false), second)
                == .more([]))
        #expect(follower.value.version == 25)
        #expect(Set(follower.value.listings.keys) == [Self.field("a"), Self.field("b")])
        #expect(follower.take(Self.page([("d", Self.deny)], version: 30, entries: 2), second) == .renewed)
        #expect(Set(follower.value.listings.keys) == [Self.field("c"), Self.field("d")])
    }

    @Test("What does not add up is read again at once, and if it does not add up then, later")
    func doesNotAddUp() {
        let source = ServiceCore.RedisSource(lane: 0, connects: 1)
        let follower = Follower()
        #expect(follower.take(Self.page([("a", Self.deny)], version: 10, entries: 1), source) == .renewed)
        #expect(follower.take(Self.page([("b", nil)], version: 20, entries: 0), source) == .more([Self.field("b")]))
        #expect(follower.value.version == 0)
        #expect(
            follower.take(Self.page([("c", Self.deny)], version: 30, entries: 2, readTo: 25, isLast: false), source)
                == .more([]))
        #expect(follower.take(Self.page([], version: 24, entries: 0), source) == .broken)
        #expect(Array(follower.value.listings.keys) == [Self.field("a")])
        #expect(follower.take(Self.page([], version: 24, entries: 0), source) == .renewed)
        #expect(follower.value.listings.isEmpty)
    }

    private final class Follower {
        var value = ListingFollower()

        func take(_ page: ListingPage, _ source: ServiceCore.RedisSource) -> ListingFollower.Step {
            value.take(page, from: source)
        }
    }
}
