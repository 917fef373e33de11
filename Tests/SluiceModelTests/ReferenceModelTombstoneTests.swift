import SluiceModel
import SluiceReference
import Testing

/// Section "event_id": an undo that comes before what it undoes.
@Suite("Reference model: tombstones")
struct ReferenceModelTombstoneTests {
    @Test("The check that follows is answered and not counted, and is decided with that", arguments: Counting.both)
    func check(counting: Counting) {
        var model = ReferenceModel(rules: [.example(limits: [.most(9, in: 1_000)], counting: counting)])
        #expect(model.undo(event: "e", at: 10_000) == false)

        let first = model.check(event: "e", at: 10_100)
        #expect(first.verdict == .allow)
        #expect(!first.duplicate)
        #expect(first.tightest?.remaining == 9)
        #expect(model.used(at: 10_100) == [0])

        #expect(model.check(event: "e", at: 10_200).duplicate == true)
        #expect(model.undo(event: "e", at: 10_300) == false)
        #expect(model.check(event: "other", at: 10_300).tightest?.remaining == 8)
    }

    @Test("It is told a refusal as a peek would be, starts no block and keeps no clock step")
    func refused() {
        var model = ReferenceModel(rules: [.example(limits: [.most(1, in: 1_000, blockForMs: [9_000])])])
        model.record(at: 20_000)
        model.undo(event: "e", at: 20_100)
        model.undo(event: "f", at: 5_000)

        #expect(model.check(event: "e", at: 20_100) == model.peek(at: 20_100))
        #expect(model.blockedMs(at: 20_100) == [0])
        #expect(model.check(event: "f", at: 5_000).retryAfterMs == 1_001)
        #expect(model.clockSteps == 0)
        // Remembered as an admitted one, not only until its retry_after.
        #expect(
            model.check(event: "e", at: 22_000)
                == .init(verdict: .deny, trips: [], retryAfterMs: 901, tightest: nil, duplicate: true))
    }

    @Test("A list is heard")
    func listed() {
        var model = ReferenceModel(rules: [])
        model.undo(event: "e", at: 10_000)
        let decision = model.check(event: "e", listing: .init(kind: .deny, dimension: "user"), at: 10_000)
        #expect(decision.trips.map(\.reason) == [.listed])
        #expect(model.check(event: "e", at: 10_000).verdict == .deny)
    }

    @Test("The record that follows is not counted either, each of the two once")
    func record() {
        var model = ReferenceModel(rules: [.example(limits: [.most(1, in: 1_000)])])
        _ = model.check(at: 10_000)
        model.undo(event: "e", at: 10_000)
        #expect(
            model.record(event: "e", at: 10_000)
                == .init(verdict: .allow, trips: [], retryAfterMs: nil, tightest: nil))
        #expect(model.record(event: "e", at: 10_000).duplicate == true)
        #expect(model.check(event: "e", at: 10_000).duplicate == false)
        #expect(model.used(at: 10_000) == [1])
    }

    @Test("An undo of what was checked leaves none for the record")
    func checkedOnly() {
        var model = ReferenceModel(rules: [.example(limits: [.most(9, in: 1_000)])])
        _ = model.check(event: "e", at: 10_000)
        #expect(model.undo(event: "e", at: 10_000) == true)
        model.record(event: "e", at: 10_000)
        #expect(model.used(at: 10_000) == [1])
    }

    @Test("A tombstone lasts for one event memory, and from its check on for another")
    func expires() {
        var model = ReferenceModel(rules: [.example(limits: [.most(9, in: 90_000)])], eventMemoryMs: 1_000)
        model.undo(event: "early", at: 10_000)
        model.undo(event: "late", at: 10_000)
        _ = model.check(event: "early", at: 10_999)
        #expect(model.used(at: 10_999) == [0])
        _ = model.check(event: "late", at: 11_000)
        #expect(model.used(at: 11_000) == [1])
        #expect(model.check(event: "early", at: 11_998).duplicate == true)
        #expect(model.check(event: "early", at: 11_999).duplicate == false)
    }

    @Test("A repeated undo does not prolong it")
    func repeatedUndo() {
        var model = ReferenceModel(rules: [.example(limits: [.most(9, in: 90_000)])], eventMemoryMs: 1_000)
        model.undo(event: "e", at: 10_000)
        #expect(model.undo(event: "e", at: 10_900) == false)
        _ = model.check(event: "e", at: 11_000)
        #expect(model.used(at: 11_000) == [1])
    }
}

extension Counting {
    fileprivate static var both: [Counting] { [.admitted, .attempts] }
}
