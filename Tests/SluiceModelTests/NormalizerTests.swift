import SluiceModel
import Testing

@Suite("Values in normal form")
struct NormalizerTests {
    /// What `value` becomes; nil if it stays.
    private static func normal(_ normalizer: Normalizer, _ value: [UInt8]) -> [UInt8]? {
        var bytes = Array("before".utf8)
        let isChanged = value.withUnsafeBytes { normalizer.apply($0, into: &bytes) }
        #expect(bytes.starts(with: "before".utf8))
        guard isChanged else {
            #expect(bytes.count == 6)
            return nil
        }
        return Array(bytes.dropFirst(6))
    }

    private static func normal(_ normalizer: Normalizer, _ value: String) -> String? {
        normal(normalizer, Array(value.utf8)).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test("lower changes A to Z and nothing else")
    func lower() {
        #expect(Self.normal(.lower, "User@Example.COM") == "user@example.com")
        #expect(Self.normal(.lower, "user@example.com") == nil)
        #expect(Self.normal(.lower, "") == nil)
        #expect(Self.normal(.lower, "ÄZ[`{") == "Äz[`{")
        let all = (0...255).map { UInt8($0) }
        #expect(Self.normal(.lower, all) == all.map { (65...90).contains($0) ? $0 + 32 : $0 })
    }

    @Test("ip writes an address in one form, cut to the prefix of its family")
    func ip() {
        let full = Normalizer.ip(v4Prefix: 32, v6Prefix: 128)
        #expect(Self.normal(full, "203.0.113.7") == nil)
        #expect(Self.normal(full, "::ffff:203.0.113.7") == "203.0.113.7")
        #expect(Self.normal(full, "2001:DB8:0::1") == "2001:db8::1")
        #expect(Self.normal(full, "2001:db8::1") == nil)
        let cut = Normalizer.ip(v4Prefix: 24, v6Prefix: 64)
        #expect(Self.normal(cut, "203.0.113.7") == "203.0.113.0/24")
        #expect(Self.normal(cut, "2001:db8:0:0:a::1") == "2001:db8::/64")
        #expect(Self.normal(cut, "2001:db8::/64") == nil)
        #expect(Self.normal(cut, "203.0.113.0/24") == nil)
        for stays in ["", "unknown", "203.0.113.007", "fe80::1%eth0", "203.0.113.0/8"] {
            #expect(Self.normal(cut, stays) == nil)
        }
    }

    @Test("Whatever the bytes are, nothing traps, and what is normal stays")
    func idempotent() {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededRandom(state: seed)
        let letters = Array("01fFaZ:./%25".utf8) + [0, 255]
        for round in 0..<10_000 {
            let value = (0..<Int.random(in: 0...20, using: &random)).map { _ in letters.randomElement(using: &random)! }
            let prefixes = (Int.random(in: 1...32, using: &random), Int.random(in: 1...128, using: &random))
            for normalizer in [Normalizer.lower, .ip(v4Prefix: prefixes.0, v6Prefix: prefixes.1)] {
                guard let changed = Self.normal(normalizer, value) else { continue }
                #expect(changed != value, "seed \(seed), round \(round)")
                #expect(Self.normal(normalizer, changed) == nil, "seed \(seed), round \(round)")
            }
        }
    }

    // MARK: - Requests

    /// A request over bytes of its own: an action, an event and entities.
    private static func withRequest<R>(_ entities: [(String, String)], _ body: (RequestView) throws -> R) rethrows -> R
    {
        var bytes = Array("..login--ev-1".utf8)
        var ranges: [RequestView.Entity] = []
        for (dimension, value) in entities {
            let start = bytes.count
            bytes += Array(dimension.utf8)
            let middle = bytes.count
            bytes += Array(value.utf8)
            ranges.append(RequestView.Entity(dimension: start..<middle, value: middle..<bytes.count))
        }
        return try bytes.withUnsafeBytes { raw in
            var view = RequestView(bytes: raw)
            (view.action, view.eventID) = (2..<7, 9..<13)
            for range in ranges { _ = view.append(range) }
            (view.cost, view.amount, view.mode) = (3, 4, .record)
            return try body(view)
        }
    }

    private static func text(_ view: RequestView, _ range: Range<Int>) -> String {
        String(decoding: view.slice(range), as: UTF8.self)
    }

    private static func words(_ view: RequestView) -> [String] {
        [text(view, view.action), text(view, view.eventID), "\(view.cost) \(view.amount) \(view.mode)"]
            + (0..<view.entityCount).map { index in
                "\(text(view, view.entities[index].dimension))=\(text(view, view.entities[index].value))"
            }
    }

    @Test("The rules see a request's values in normal form, and the rest of it as it came")
    func request() {
        let rules = RuleSet(
            rules: [], generation: 1, normalizers: ["email": .lower, "ip": .ip(v4Prefix: 32, v6Prefix: 64)])
        #expect(rules.dimensions == ["email", "ip"])
        #expect(rules.normalizers == [.lower, .ip(v4Prefix: 32, v6Prefix: 64)])
        var scratch: [UInt8] = []
        for _ in 0..<2 {
            Self.withRequest([("email", "A@b.C"), ("user", "U1"), ("ip", "2001:DB8::1"), ("device", "")]) { request in
                let seen = rules.normalizing(request, scratch: &scratch) { Self.words($0) }
                #expect(
                    seen == ["login", "ev-1", "3 4 record", "email=a@b.c", "user=U1", "ip=2001:db8::/64", "device="])
            }
        }
    }

    @Test("Where no value changes, the rules see the request itself")
    func untouched() {
        let rules = RuleSet(rules: [], generation: 1, normalizers: ["email": .lower])
        let none = RuleSet(rules: [], generation: 1)
        #expect(!none.hasNormalizers)
        var scratch: [UInt8] = []
        Self.withRequest([("user", "U1"), ("email", "a@b.c")]) { request in
            for rules in [rules, none] {
                let base = rules.normalizing(request, scratch: &scratch) { $0.bytes.baseAddress }
                #expect(base == request.bytes.baseAddress)
            }
        }
        #expect(scratch.isEmpty)
    }
}
