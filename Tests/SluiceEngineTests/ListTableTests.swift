import SluiceModel
import TestSupport
import Testing

@testable import SluiceEngine

/// What a list means for a request, and what it costs to find out.
@Suite("Lists, looked up")
struct ListTableTests {
    private static let file = LimitsFile(
        rules: [],
        normalizers: [
            "email": .lower, "ip": .ip(v4Prefix: 32, v6Prefix: 128), "net": .ip(v4Prefix: 24, v6Prefix: 64),
        ])

    private static func kept(_ listings: [(String, String, ListKind, untilMs: UInt64)]) -> KeptLists {
        var builder = KeptListsBuilder(normalizers: file.normalizers)
        builder.rebuild(
            from: listings.reduce(into: [:]) { all, listing in
                let field = ListingField(dimension: listing.0, value: listing.1.utf8)
                all[field] = Listing(kind: listing.2, untilMs: listing.untilMs, sinceMs: 1, by: "", reason: "")
            })
        return builder.lists
    }

    private static func listed(_ listings: FileListing...) -> LoopLists {
        var file = file
        file.lists = listings
        return LoopLists(file: ListTable(file))
    }

    private static func list(_ kind: ListKind, _ dimension: String, _ patterns: String...) -> FileListing {
        FileListing(kind: kind, dimension: dimension, patterns: patterns.map { Pattern(spelled: $0) })
    }

    @Test("Values are compared as bytes, in their dimension alone")
    func exact() {
        let lists = Self.listed(Self.list(.deny, "user", "u17", "caf\u{E9}"))
        #expect(lists.effect(["user": "u17"]) == ListEffect(kind: .deny, dimension: "user", leftMs: nil))
        #expect(lists.effect(["device": "u17"]) == nil)
        for other in ["u1", "u170", "U17", ""] { #expect(lists.effect(["user": other]) == nil) }
        #expect(lists.effect(["user": "caf\u{E9}"]) != nil)
        // The same letters to a reader, other bytes.
        #expect(lists.effect(["user": "cafe\u{301}"]) == nil)
    }

    @Test("A prefix of the limits file lists what begins with it, itself too")
    func prefixes() {
        let lists = Self.listed(
            Self.list(.watch, "device", "bot-*", "bot-good-*"), Self.list(.allow, "device", "bot-good-*"))
        #expect(lists.effect(["device": "bot-1"])?.kind == .watch)
        #expect(lists.effect(["device": "bot-"])?.kind == .watch)
        #expect(lists.effect(["device": "bot"]) == nil)
        #expect(lists.effect(["device": "bot-good-7"])?.kind == .allow)
        #expect(Self.listed(Self.list(.deny, "device", "*")).effect(["device": "x"])?.kind == .deny)
    }

    @Test("Deny wins over allow, and allow over watch, whoever keeps the list and whichever entity is on it")
    func precedence() {
        let lists = Self.listed(
            Self.list(.watch, "user", "u", "w"), Self.list(.allow, "user", "u", "a"), Self.list(.deny, "device", "d"))
        #expect(lists.effect(["user": "w"])?.kind == .watch)
        #expect(lists.effect(["user": "u"])?.kind == .allow)
        #expect(
            lists.effect(["user": "u", "device": "d"]) == ListEffect(kind: .deny, dimension: "device", leftMs: nil))
        lists.use(Self.kept([("user", "a", .deny, 0), ("user", "w", .allow, 0), ("device", "d", .allow, 0)]))
        #expect(lists.effect(["user": "a"])?.kind == .deny)
        #expect(lists.effect(["user": "w"])?.kind == .allow)
        #expect(lists.effect(["device": "d"])?.kind == .deny)
    }

    @Test("A network holds its addresses, of its own family, however they are written")
    func networks() {
        let lists = Self.listed(
            Self.list(.deny, "ip", "203.0.113.0/24", "198.51.100.7", "2001:db8::/32"),
            Self.list(.watch, "ip", "0.0.0.0/0"))
        for address in ["203.0.113.0", "203.0.113.255", "198.51.100.7", "2001:db8:ffff::1", "::ffff:203.0.113.9"] {
            #expect(lists.effect(["ip": address])?.kind == .deny, "\(address)")
        }
        #expect(lists.effect(["ip": "2001:0DB8:0:0::5"])?.kind == .deny)
        for address in ["203.0.112.255", "203.0.114.0", "198.51.100.8"] {
            #expect(lists.effect(["ip": address])?.kind == .watch, "\(address)")
        }
        for other in ["2001:db9::1", "203.0.113.0/24", "unknown", "203.0.113"] {
            #expect(lists.effect(["ip": other]) == nil, "\(other)")
        }
        // Another dimension is no address unless it is said to be one.
        let literal = Self.listed(Self.list(.deny, "host", "203.0.113.0/24"))
        #expect(literal.effect(["host": "203.0.113.9"]) == nil)
        #expect(literal.effect(["host": "203.0.113.0/24"])?.kind == .deny)
    }

    @Test("Networks are matched with the address as it was sent, exact values in their normal form")
    func rawAndNormal() {
        let lists = Self.listed(
            Self.list(.deny, "net", "192.0.2.128/25"), Self.list(.watch, "email", "Ann@Example.com"))
        #expect(lists.effect(["net": "192.0.2.200"], normal: ["net": "192.0.2.0/24"])?.kind == .deny)
        #expect(lists.effect(["net": "192.0.2.100"], normal: ["net": "192.0.2.0/24"]) == nil)
        #expect(lists.effect(["email": "ANN@example.com"], normal: ["email": "ann@example.com"])?.kind == .watch)
        // An address that is listed where addresses are cut lists what it is cut to.
        lists.use(Self.kept([("net", "198.51.100.9", .deny, 0)]))
        #expect(lists.effect(["net": "198.51.100.77"], normal: ["net": "198.51.100.0/24"])?.kind == .deny)
    }

    @Test("A listing ends by itself, and the longest of a kind says how long it lasts")
    func ends() {
        let lists = Self.listed()
        lists.use(
            Self.kept([("user", "u", .deny, 5_000), ("device", "d", .deny, 9_000), ("card", "c", .watch, 20_000)]))
        #expect(lists.effect(["user": "u"], nowMs: 1_000) == ListEffect(kind: .deny, dimension: "user", leftMs: 4_000))
        #expect(lists.effect(["user": "u"], nowMs: 4_999)?.leftMs == 1)
        #expect(lists.effect(["user": "u"], nowMs: 5_000) == nil)
        let all = ["user": "u", "device": "d", "card": "c"]
        #expect(lists.effect(all, nowMs: 1_000) == ListEffect(kind: .deny, dimension: "device", leftMs: 8_000))
        #expect(lists.effect(all, nowMs: 9_000)?.kind == .watch)
        #expect(lists.effect(all, nowMs: 20_000) == nil)
    }

    @Test("Listings end by the clock of Redis, also where this host's is wrong")
    func clocks() {
        var kept = Self.kept([("user", "u", .deny, 10_000)])
        kept.clockAheadMs = -60_000
        let lists = Self.listed()
        lists.use(kept)
        #expect(lists.effect(["user": "u"], nowMs: 65_000)?.leftMs == 5_000)
        #expect(lists.effect(["user": "u"], nowMs: 70_000) == nil)
    }

    @Test("Where nothing is listed there is nothing to look up; what is taken off again makes it so")
    func empty() {
        let lists = Self.listed()
        #expect(lists.isEmpty)
        lists.use(Self.kept([("user", "u", .deny, 0)]))
        #expect(!lists.isEmpty)
        lists.use(Self.kept([]))
        #expect(lists.isEmpty)
        lists.use(file: Self.table(Self.list(.deny, "user", "u")))
        #expect(!lists.isEmpty)
    }

    private static func table(_ listings: FileListing...) -> ListTable {
        var file = file
        file.lists = listings
        return ListTable(file)
    }

    @Test("A change holds at once, before the large table is made anew and after")
    func changes() {
        var listings: [ListingField: Listing] = [:]
        var builder = KeptListsBuilder(normalizers: Self.file.normalizers)
        let lists = Self.listed()
        var random = SeededGenerator.announced()
        for _ in 0..<300 {
            var changed: Set<ListingField> = []
            for _ in 0..<6 {
                let number = Int.random(in: 0..<1_500, using: &random)
                let field =
                    random.oneIn(3)
                    ? ListingField(dimension: "ip", value: "10.\(number / 256).\(number % 256).0/24".utf8)
                    : ListingField(dimension: "user", value: "u\(number)".utf8)
                let listing = Listing(
                    kind: ListKind.allCases.randomElement(using: &random)!, untilMs: 0, sinceMs: 1, by: "", reason: "")
                listings[field] = random.oneIn(3) ? nil : listing
                changed.insert(field)
            }
            builder.update(changed, in: listings)
            lists.use(builder.lists)
            for field in changed { Self.expect(lists, field, listings[field]) }
        }
        for (field, listing) in listings { Self.expect(lists, field, listing) }
    }

    private static func expect(_ lists: LoopLists, _ field: ListingField, _ listing: Listing?) {
        let value = String(decoding: field.value, as: UTF8.self).replacing(".0/24", with: ".7")
        #expect(lists.effect([field.dimension: value])?.kind == listing?.kind)
    }

    @Test("A value listed before its dimension had a normal form is matched in that form, and goes when it is removed")
    func otherForms() {
        let old = ListingField(dimension: "email", value: "Ann@Example.com".utf8)
        let new = ListingField(dimension: "email", value: "ann@example.com".utf8)
        let deny = Listing(kind: .deny, untilMs: 0, sinceMs: 1, by: "", reason: "")
        var listings = [old: deny]
        var builder = KeptListsBuilder(normalizers: [:])
        builder.rebuild(from: listings)
        let lists = Self.listed()
        lists.use(builder.lists)
        #expect(lists.effect(["email": "ann@example.com"]) == nil)
        let isDifferent = builder.use(["email": .lower], listings: listings)
        #expect(isDifferent)
        lists.use(builder.lists)
        #expect(lists.effect(["email": "ann@example.com"])?.kind == .deny)
        // Of two that are one now the stronger holds, until it goes.
        listings[new] = Listing(kind: .watch, untilMs: 0, sinceMs: 1, by: "", reason: "")
        builder.update([new], in: listings)
        lists.use(builder.lists)
        #expect(lists.effect(["email": "ann@example.com"])?.kind == .deny)
        listings[old] = nil
        builder.update([old], in: listings)
        lists.use(builder.lists)
        #expect(lists.effect(["email": "ann@example.com"])?.kind == .watch)
    }

    @Test("A look-up among 100,000 costs what one among 100 costs")
    func constant() {
        func lists(_ count: Int) -> LoopLists {
            let lists = Self.listed()
            lists.use(
                Self.kept(
                    (0..<count).map { ("user", "u\($0)", .deny, 0) }
                        + (0..<count / 10).map { ("ip", "10.\($0 / 256).\($0 % 256).0/24", .deny, 0) }))
            return lists
        }
        func duration(_ lists: LoopLists, _ count: Int) -> Duration {
            (0..<5).map { _ in
                ContinuousClock().measure {
                    for number in 0..<2_000 {
                        let hit = number % count
                        precondition(lists.effect(["user": "u\(hit)", "ip": "192.0.2.1"])?.kind == .deny)
                        precondition(lists.effect(["user": "x\(hit)", "ip": "192.0.2.1"]) == nil)
                    }
                }
            }.min()!
        }
        let (few, many) = (lists(100), lists(100_000))
        let (short, long) = (duration(few, 100), duration(many, 100_000))
        // Memory that is not in the cache is slower to come by; a search would be a thousand times slower.
        #expect(long < short * 5, "\(short) among 100, \(long) among 100,000")
    }
}

extension LoopLists {
    /// - Parameter normal: what differs from `values` in normal form.
    fileprivate func effect(
        _ values: [String: String], normal: [String: String] = [:], nowMs: UInt64 = 1_000
    ) -> ListEffect? {
        var (bytes, normalBytes): ([UInt8], [UInt8]) = ([], [])
        func lay(_ values: [(key: String, value: String)], _ bytes: inout [UInt8]) -> [RequestView.Entity] {
            values.map { dimension, value in
                let start = bytes.count
                bytes += dimension.utf8
                let middle = bytes.count
                bytes += value.utf8
                return RequestView.Entity(dimension: start..<middle, value: middle..<bytes.count)
            }
        }
        let sorted = values.sorted { $0.key < $1.key }
        let entities = lay(sorted, &bytes)
        let normalEntities = lay(sorted.map { ($0.key, normal[$0.key] ?? $0.value) }, &normalBytes)
        return bytes.withUnsafeBytes { raw in
            normalBytes.withUnsafeBytes { normal in
                var (view, rawView) = (RequestView(bytes: normal), RequestView(bytes: raw))
                for entity in entities { _ = rawView.append(entity) }
                for entity in normalEntities { _ = view.append(entity) }
                return effect(on: view, raw: rawView, nowMs: nowMs)
            }
        }
    }
}
