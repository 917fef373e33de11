import NIOCore
import SluiceModel
import SluiceReference
import TestSupport
import Testing

@testable import SluiceEngine

@Suite("How much one run carries")
struct RunPaceTests {
    /// Replies of `cells` counter uses each, `microseconds` apart, while Redis has always another.
    private static func play(
        _ pace: inout RunPace, from start: NIODeadline, replies: Int, cells: Int, every microseconds: Int64
    ) -> NIODeadline {
        var now = start
        for _ in 0..<replies {
            now = now + .microseconds(microseconds)
            pace.answered(cells: cells, at: now, isBusy: true)
        }
        return now
    }

    @Test("A run is bounded by what counters turn out to cost Redis")
    func learns() {
        var pace = RunPace()
        var now = Self.play(&pace, from: .uptimeNanoseconds(1), replies: 300, cells: 96, every: 192)
        #expect(abs(pace.nsPerCell - 2_000) < 50)
        #expect(140...160 ~= pace.cellsPerRun)
        // Two at a time, as a loop that is behind reads them, come to the same.
        for _ in 0..<300 {
            now = now + .microseconds(350)
            for _ in 0..<2 { pace.answered(cells: 50, at: now, isBusy: true) }
        }
        #expect(abs(pace.nsPerCell - 3_500) < 350)
        #expect(77...96 ~= pace.cellsPerRun)
    }

    @Test("Neither a stall nor a reply from nowhere makes runs absurd")
    func staysSane() {
        var pace = RunPace()
        var now = Self.play(&pace, from: .uptimeNanoseconds(1), replies: 300, cells: 96, every: 192)
        let before = pace.nsPerCell
        now = Self.play(&pace, from: now, replies: 3, cells: 96, every: 2_000_000)
        #expect(pace.nsPerCell <= before + 400)
        now = Self.play(&pace, from: now, replies: 1_000, cells: 96, every: 2_000_000)
        #expect(pace.cellsPerRun >= 75)
        _ = Self.play(&pace, from: now, replies: 1_000, cells: 10_000, every: 1)
        #expect(pace.cellsPerRun <= 300)
    }

    @Test("Time in which Redis had nothing to do is not taken for work")
    func idle() {
        var pace = RunPace()
        let before = pace.nsPerCell
        var now = NIODeadline.uptimeNanoseconds(1)
        for _ in 0..<1_000 {
            now = now + .microseconds(100)
            pace.answered(cells: 300, at: now, isBusy: true)
            now = now + .milliseconds(50)
            pace.answered(cells: 300, at: now, isBusy: false)
        }
        #expect(pace.nsPerCell == before)
    }

    @Test("Requests that come together go in runs of so many counters, however many requests a run may have")
    func runs() async throws {
        let redis = try RedisServer()
        var settings = EngineHarness.settings()
        settings.bounds.requestsPerRun = 256
        let limits = (1...10).map { Limit(max: 1_000_000, windowMs: 60_000 * UInt64($0), verdict: .deny, text: "") }
        let engine = try await EngineHarness(
            redis: redis, rules: [Rule(name: "r", check: [Pattern("a")], per: ["user"], limits: limits)],
            settings: settings)
        let bound = try await engine.run { $0.queues[0].pace.cellsPerRun }
        let outcomes = try await engine.decide(Array(repeating: (.init("a", ["user": "u"]), 1_000_000), count: 200))
        #expect(outcomes.count == 200)
        // Ten counters each, and the request that reaches the bound is the last.
        let runs = try await engine.run { $0.metrics.runs }
        #expect(Int(runs) >= 200 * 10 / (bound + 10))
        try await engine.shutDown()
    }
}
