import SluiceModel
import SluiceReference
import Testing

/// Section "event_id": an event is decided once. Every number is computed by hand.
@Suite("Reference model: events")
struct ReferenceModelEventTests {
    private func repeated(_ verdict: Verdict, retryAfterMs: UInt64? = nil) -> ReferenceModel.Decision {
        .init(verdict: verdict, trips: [], retryAfterMs: retryAfterMs, tightest: nil, duplicate: true)
    }

    @Test("A repeat is told the first verdict and counts nothing, for as long as events are remembered")
    func repeats() {
        var model = ReferenceModel(rules: [.example(limits: [.most(9, in: 90_000)])], eventMemoryMs: 5_000)
        let first = model.check(event: "e", at: 10_000)
        #expect(first.verdict == .allow)
        #expect(!first.duplicate)
        #expect(first.tightest?.remaining == 8)

        #expect(model.check(event: "e", at: 14_999) == repeated(.allow))
        #expect(model.used(at: 14_999) == [1])
        #expect(model.check(event: "e", at: 15_000).tightest?.remaining == 7)
    }

    @Test("Ten minutes is the memory of who says nothing else")
    func standardMemory() {
        var model = ReferenceModel(rules: [])
        _ = model.check(event: "e", at: 10_000)
        #expect(model.check(event: "e", at: 609_999).duplicate == true)
        #expect(model.check(event: "e", at: 610_000).duplicate == false)
    }

    @Test("The verdict that a repeat is told is the first one's, challenges and lists included")
    func firstVerdict() {
        var model = ReferenceModel(rules: [.example(limits: [.most(1, in: 1_000, .challenge)])])
        _ = model.check(at: 10_000)
        // Two are used, and both must go.
        #expect(model.check(event: "e", at: 10_100).retryAfterMs == 1_001)
        #expect(model.check(event: "e", at: 90_000) == repeated(.challenge, retryAfterMs: 1_001))

        _ = model.check(event: "f", listing: .init(kind: .allow, dimension: "user"), at: 90_000)
        #expect(model.check(event: "f", at: 90_000) == repeated(.allow))
    }

    @Test("A refused event is remembered until its retry_after")
    func refused() {
        var model = ReferenceModel(rules: [.example(limits: [.most(1, in: 1_000)], counting: .admitted)])
        _ = model.check(event: "first", at: 10_000)
        #expect(model.check(event: "e", at: 10_100).retryAfterMs == 901)

        #expect(model.check(event: "e", at: 10_200) == repeated(.deny, retryAfterMs: 901))
        #expect(model.check(event: "e", at: 11_000) == repeated(.deny, retryAfterMs: 901))
        let anew = model.check(event: "e", at: 11_001)
        #expect(anew.verdict == .allow)
        #expect(!anew.duplicate)
        #expect(model.used(at: 11_001) == [1])
    }

    @Test("A refused event is remembered no longer than others, and as long as they if it can never pass")
    func refusedForLong() {
        var model = ReferenceModel(rules: [.example(limits: [.most(1, in: 90_000)])], eventMemoryMs: 500)
        _ = model.check(at: 10_000)
        _ = model.check(event: "e", at: 10_100)
        #expect(model.check(event: "e", at: 10_599).duplicate == true)
        #expect(model.check(event: "e", at: 10_600).duplicate == false)
        _ = model.check(cost: 2, event: "never", at: 10_100)
        #expect(model.check(event: "never", at: 10_599).duplicate == true)
        #expect(model.check(event: "never", at: 10_600).duplicate == false)
    }

    @Test("A denial is forgotten when the clock is set back by more than a second, an admission is not")
    func clockSetBack() {
        var model = ReferenceModel(rules: [.example(limits: [.most(1, in: 1_000)])])
        #expect(model.check(event: "admitted", at: 20_000).verdict == .allow)
        #expect(model.check(event: "denied", at: 20_100).verdict == .deny)

        #expect(model.check(event: "denied", at: 19_100) == repeated(.deny, retryAfterMs: 901))
        #expect(model.check(event: "admitted", at: 5_000) == repeated(.allow))
        #expect(model.clockSteps == 0)
        #expect(model.check(event: "denied", at: 19_099).duplicate == false)
    }

    @Test("Mode, action, entities and id make an event; order and empty values do not")
    func identity() {
        var model = ReferenceModel(rules: [])
        _ = model.check("buy", ["user": "u", "device": "d"], event: "e", at: 10_000)

        #expect(
            model.check("buy", ["device": "d", "card": "", "user": "u"], cost: 5, event: "e", at: 10_000).duplicate)
        #expect(model.record("buy", ["user": "u", "device": "d"], event: "e", at: 10_000).duplicate == false)
        #expect(model.record("buy", ["user": "u", "device": "d"], event: "e", at: 10_000).duplicate == true)
        #expect(model.check("pay", ["user": "u", "device": "d"], event: "e", at: 10_000).duplicate == false)
        #expect(model.check("buy", ["user": "u"], event: "e", at: 10_000).duplicate == false)
        #expect(model.check("buy", ["user": "d", "device": "u"], event: "e", at: 10_000).duplicate == false)
        #expect(model.check("buy", ["user": "u", "device": "d"], event: "f", at: 10_000).duplicate == false)
        #expect(model.check("buy", ["user": "u", "device": "d"], at: 10_000).duplicate == false)
    }

    @Test("A peek is no event")
    func peek() {
        var model = ReferenceModel(rules: [.example(limits: [.most(1, in: 1_000)])])
        #expect(model.peek(event: "e", at: 10_000).verdict == .allow)
        #expect(model.check(event: "e", at: 10_000).duplicate == false)
        let look = model.peek(event: "e", at: 10_000)
        #expect(look.verdict == .deny)
        #expect(!look.duplicate)
        model.undo(event: "later", at: 10_000)
        #expect(model.peek(event: "later", at: 10_000).verdict == .deny)
        #expect(model.check(event: "later", at: 12_000).verdict == .allow)
        #expect(model.used(at: 12_000) == [0])
    }

    @Test("An event to which no rule applies is remembered too")
    func withoutRules() {
        var model = ReferenceModel(rules: [])
        _ = model.check(event: "e", at: 10_000)
        model.replace(rules: [.example(limits: [.most(0, in: 1_000)])])
        #expect(model.check(event: "e", at: 10_000) == repeated(.allow))
    }

    @Test("A repeat changes nothing at all: no attempt, no value refreshed, no block, no clock step")
    func changesNothing() {
        let set = Rule.example(
            "set", measure: .distinct(dimension: "card"), limits: [.most(9, in: 1_000)], counting: .attempts)
        let count = Rule.example("count", limits: [.most(1, in: 1_000, blockForMs: [500])], counting: .attempts)
        var model = ReferenceModel(rules: [set, count])
        let entities: ReferenceModel.Dimensions = ["user": "u1", "card": "a"]
        _ = model.check("buy", entities, event: "e", at: 20_000)

        #expect(model.check("buy", entities, event: "e", at: 20_500).duplicate == true)
        #expect(model.check("buy", entities, event: "e", at: 5_000).duplicate == true)
        #expect(model.clockSteps == 0)
        #expect(model.used(entities, at: 21_000) == [1, 1])
        #expect(model.used(entities, at: 21_001) == [0, 0])
        #expect(model.blockedMs(entities, at: 20_500) == [0, 0])
    }
}
