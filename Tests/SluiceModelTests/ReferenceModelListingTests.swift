import SluiceModel
import SluiceReference
import Testing

/// Standing and temporary lists: what they make of a verdict, and what is counted under it.
@Suite("Reference model: lists")
struct ReferenceModelListingTests {
    private typealias Listing = ReferenceModel.Listing

    private func listed(_ verdict: Verdict, retryAfterMs: UInt64? = nil) -> ReferenceModel.Trip {
        .init(
            rule: "", windowMs: 0, max: 0, used: 0, retryAfterMs: retryAfterMs, verdict: verdict, shadow: false,
            reason: .listed)
    }

    @Test("Deny denies, and counts as any denied check does")
    func deny() {
        var model = ReferenceModel(rules: [
            .example("admitted", limits: [.most(9, in: 1_000)]),
            .example("attempts", limits: [.most(9, in: 1_000)], counting: .attempts),
        ])
        let decision = model.check(listing: Listing(kind: .deny, dimension: "user", leftMs: 700), at: 10_000)
        #expect(decision.verdict == .deny)
        #expect(decision.trips == [listed(.deny, retryAfterMs: 700)])
        #expect(decision.retryAfterMs == 700)
        #expect(decision.tightest?.rule == "attempts")
        #expect(model.used(at: 10_000) == [0, 1])
    }

    @Test("What denies for longest tells when to come back, and a list for good never does")
    func denyBesideALimit() {
        var model = ReferenceModel(rules: [.example(limits: [.most(1, in: 1_000)])])
        model.record(at: 10_000)
        let waits = [nil, 700, 900] as [UInt64?]
        let answers = waits.map {
            model.check(listing: Listing(kind: .deny, dimension: "user", leftMs: $0), at: 10_200)
        }
        #expect(answers.map { $0.trips.map(\.retryAfterMs) } == waits.map { [$0, 801] })
        #expect(answers.map(\.retryAfterMs) == [nil, 801, 900])
    }

    @Test("Deny beside a review tells its own time alone")
    func denyBesideAReview() {
        var model = ReferenceModel(rules: [.example(limits: [.most(0, in: 1_000, .review)])])
        let decision = model.check(listing: Listing(kind: .deny, dimension: "user", leftMs: 5), at: 10_000)
        #expect(decision.trips.map(\.verdict) == [.deny, .review])
        #expect(decision.retryAfterMs == 5)
    }

    @Test("Allow allows, every rule counts, and no block starts")
    func allow() {
        var model = ReferenceModel(rules: [
            .example("real", limits: [.most(1, in: 1_000, blockForMs: [9_000])]),
            .example("hidden", limits: [.most(1, in: 1_000)], shadow: true),
        ])
        model.record(at: 10_000)

        let decision = model.check(listing: Listing(kind: .allow, dimension: "user", leftMs: 700), at: 10_100)

        #expect(decision.verdict == .allow)
        #expect(decision.retryAfterMs == nil)
        #expect(decision.trips.map(\.reason) == [.listed, .limit, .limit])
        #expect(decision.trips.first == listed(.allow))
        // As the request leaves them: both that are used must go.
        #expect(decision.trips.dropFirst().map(\.retryAfterMs) == [1_001, 1_001])
        #expect(model.used(at: 10_100) == [2, 2])
        #expect(model.blockedMs(at: 10_100) == [0, 0])
    }

    @Test("Allow passes a block, which stays")
    func allowWhileBlocked() {
        var model = ReferenceModel(rules: [.example(limits: [.most(1, in: 1_000, blockForMs: [9_000])])])
        #expect(model.verdicts(10_000, 10_100) == [.allow, .deny])
        let decision = model.check(listing: Listing(kind: .allow, dimension: "user"), at: 12_000)
        #expect(decision.verdict == .allow)
        #expect(decision.trips.map(\.reason) == [.listed, .blocked])
        #expect(model.used(at: 12_000) == [1])
        #expect(model.check(at: 12_000).verdict == .deny)
    }

    @Test("Watch makes an allowed request a review, and one that limits review already no different")
    func watch() {
        let listing = Listing(kind: .watch, dimension: "user", leftMs: 700)
        var model = ReferenceModel(rules: [
            .example("hidden", limits: [.most(0, in: 1_000)], shadow: true),
            .example("real", limits: [.most(1, in: 1_000, .review), .most(2, in: 1_000, .challenge)]),
        ])
        let watched = model.check(listing: listing, at: 10_000)
        #expect(watched.verdict == .review)
        #expect(watched.trips.map(\.rule) == ["", "hidden"])
        #expect(watched.trips.first == listed(.review, retryAfterMs: 700))
        #expect(watched.retryAfterMs == 700)
        #expect(model.used(at: 10_000) == [0, 1, 1])

        let reviewed = model.check(listing: listing, at: 10_000)
        #expect(reviewed.verdict == .review)
        #expect(reviewed.trips.map(\.reason) == [.limit, .limit])
        #expect(reviewed.retryAfterMs == 1_001)
        #expect(model.check(listing: listing, at: 10_000).verdict == .challenge)
    }

    @Test("A peek is told what a check would be, a record knows no lists")
    func modes() {
        let listing = Listing(kind: .deny, dimension: "user")
        var model = ReferenceModel(rules: [.example(limits: [.most(9, in: 1_000)], counting: .attempts)])
        #expect(model.peek(listing: listing, at: 10_000).trips == [listed(.deny)])
        #expect(model.used(at: 10_000) == [0])
        #expect(model.record(listing: listing, at: 10_000).trips.isEmpty)
        #expect(model.used(at: 10_000) == [1])
    }

    @Test("Where no rule applies a list still does")
    func withoutRules() {
        var model = ReferenceModel(rules: [])
        let decisions = [ListKind.deny, .allow, .watch].map {
            model.check(listing: Listing(kind: $0, dimension: "user"), at: 10_000)
        }
        #expect(decisions.map(\.verdict) == [.deny, .allow, .review])
        #expect(decisions.map(\.trips) == [[listed(.deny)], [listed(.allow)], [listed(.review)]])
    }

    @Test("A denial by list lets the limits that trip start their blocks")
    func denyStartsBlocks() {
        var model = ReferenceModel(rules: [.example(limits: [.most(0, in: 1_000, .review, blockForMs: [9_000])])])
        _ = model.check(listing: Listing(kind: .deny, dimension: "user"), at: 10_000)
        #expect(model.blockedMs(at: 10_000) == [9_000])
    }
}
