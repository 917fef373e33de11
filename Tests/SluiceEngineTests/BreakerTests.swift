import NIOCore
import Testing

@testable import SluiceEngine

/// A breaker by reference, to be asked within an expectation.
private final class Held {
    private var breaker = Breaker()

    var isClosed: Bool { breaker.isClosed }
    func admits(at now: NIODeadline) -> Bool { breaker.admits(at: now) }
    func answered(inTime: Bool, at now: NIODeadline) -> Breaker.Change? { breaker.answered(inTime: inTime, at: now) }
    func refused(at now: NIODeadline) -> Breaker.Change? { breaker.refused(at: now) }
    func reset() { breaker.reset() }
}

@Suite("The breaker of a node")
struct BreakerTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    /// One that has just opened for lateness.
    private static func opened() -> (Held, NIODeadline) {
        let breaker = Held()
        var now = start
        for run in 1...Breaker.lateRuns {
            let change = breaker.answered(inTime: false, at: now)
            #expect(change == (run == Breaker.lateRuns ? .opened : nil))
            if run < Breaker.lateRuns { now = now + .milliseconds(20) }
        }
        return (breaker, now)
    }

    @Test("Late runs in a row open it, a short stall does not, and one in time begins anew")
    func opens() {
        let breaker = Held()
        for _ in 0..<100 { #expect(breaker.answered(inTime: false, at: Self.start + .milliseconds(99)) == nil) }
        #expect(breaker.isClosed)
        #expect(breaker.answered(inTime: true, at: Self.start) == nil)
        #expect(breaker.answered(inTime: false, at: Self.start + .seconds(9)) == nil)
        #expect(!Self.opened().0.isClosed)
    }

    @Test("Open, it lets one through when its time is over; that one closes it")
    func probes() {
        var (breaker, now) = Self.opened()
        #expect(!breaker.admits(at: now + .milliseconds(99)))
        now = now + Breaker.shortest
        #expect(breaker.admits(at: now))
        #expect(!breaker.admits(at: now))
        #expect(breaker.answered(inTime: true, at: now + .milliseconds(1)) == .closed)
        #expect(breaker.admits(at: now) && breaker.admits(at: now))
    }

    @Test("A late probe doubles the rest up to a second; one that is never heard of gives way to another")
    func backsOff() {
        var (breaker, now) = Self.opened()
        for pause in [100, 200, 400, 800, 1_000, 1_000] as [Int64] {
            #expect(!breaker.admits(at: now + .milliseconds(pause - 1)))
            now = now + .milliseconds(pause)
            #expect(breaker.admits(at: now))
            #expect(breaker.answered(inTime: false, at: now) == nil)
        }
        now = now + .seconds(1)
        #expect(breaker.admits(at: now))
        #expect(!breaker.admits(at: now + .milliseconds(999)))
        #expect(breaker.admits(at: now + .seconds(1)))
    }

    @Test("A refusal opens it at once, for a second; a new connection closes it")
    func refusal() {
        let breaker = Held()
        #expect(breaker.refused(at: Self.start) == .opened)
        #expect(breaker.refused(at: Self.start) == nil)
        #expect(!breaker.admits(at: Self.start + .milliseconds(999)))
        #expect(breaker.admits(at: Self.start + .seconds(1)))
        breaker.reset()
        #expect(breaker.isClosed)
    }
}
