import NIOCore
import Testing

@testable import SluiceEngine

@Suite("What a connection has not done for too long")
struct ConnectionWatchTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private static var timeouts: ServiceSettings.Timeouts {
        var timeouts = ServiceSettings.Timeouts()
        timeouts.firstFrame = .seconds(5)
        timeouts.frame = .seconds(4)
        timeouts.unread = .seconds(10)
        timeouts.idle = .seconds(60)
        return timeouts
    }

    private static func at(_ milliseconds: Int64) -> NIODeadline { start + .milliseconds(milliseconds) }

    private var watch = ConnectionWatch(openedAt: start, lifetime: .seconds(1_000))

    private mutating func lapse(
        at milliseconds: Int64, preface: Bool = true, goingAway: Bool = false, inFlight: Int = 0, unsent: Int = 0
    ) -> ConnectionWatch.Lapse? {
        watch.lapse(
            at: Self.at(milliseconds),
            ConnectionWatch.Situation(
                hasPreface: preface, isGoingAway: goingAway, inFlight: inFlight, unsent: unsent),
            Self.timeouts, unreadBytes: 1_000)
    }

    @Test("A stranger has so long for the preface, however it dribbles")
    mutating func firstFrame() {
        watch.read(taken: 0, kept: 1, at: Self.at(4_900))
        #expect(lapse(at: 4_999, preface: false) == nil)
        #expect(lapse(at: 5_000, preface: false) == .firstFrame)
    }

    @Test("A frame has so long from its first byte, and the next one as long again")
    mutating func frame() {
        watch.read(taken: 0, kept: 1, at: Self.at(1_000))
        watch.read(taken: 0, kept: 2, at: Self.at(4_000))
        #expect(lapse(at: 4_999) == nil)
        watch.read(taken: 20, kept: 1, at: Self.at(4_999))
        #expect(lapse(at: 8_998) == nil)
        #expect(lapse(at: 8_999) == .frame)
        watch.read(taken: 20, kept: 0, at: Self.at(9_000))
        #expect(lapse(at: 60_000) == nil)
    }

    @Test("Answers that nobody reads end it; every byte that leaves begins the time anew")
    mutating func unread() {
        watch.write(500)
        #expect(lapse(at: 1_000, unsent: 500) == nil)
        #expect(lapse(at: 9_999, unsent: 500) == nil)
        #expect(lapse(at: 10_000, unsent: 500) == .unread)
        #expect(lapse(at: 10_001, unsent: 499) == nil)
        #expect(lapse(at: 20_000, unsent: 499) == nil)
        #expect(lapse(at: 20_001, unsent: 499) == .unread)
        #expect(!watch.hasSentAll)
        #expect(lapse(at: 20_002, unsent: 0) == nil)
        #expect(watch.hasSentAll)
    }

    @Test("More unread bytes than there may be end it at once, also once it was told to go")
    mutating func tooManyUnread() {
        watch.write(5_000)
        #expect(lapse(at: 1, unsent: 1_000) == nil)
        #expect(lapse(at: 2, goingAway: true, unsent: 1_001) == .unread)
    }

    @Test("While it is not read from, a frame that was begun does not age")
    mutating func paused() {
        watch.write(10)
        watch.read(taken: 0, kept: 3, at: Self.at(0))
        #expect(lapse(at: 8_000, unsent: 5) == nil)
        watch.resume(at: Self.at(8_000))
        #expect(lapse(at: 11_999) == nil)
        #expect(lapse(at: 12_000) == .frame)
    }

    @Test("Idle is without a frame, with nothing in flight and nothing begun")
    mutating func idle() {
        watch.read(taken: 24, kept: 0, at: Self.at(1_000))
        #expect(lapse(at: 60_999) == nil)
        #expect(lapse(at: 61_000, inFlight: 1) == nil)
        #expect(lapse(at: 61_000, goingAway: true) == nil)
        #expect(lapse(at: 61_000) == .idle)
    }

    @Test("It is told to go at its age, once")
    mutating func age() {
        watch.read(taken: 24, kept: 0, at: Self.at(999_990))
        #expect(lapse(at: 999_999, inFlight: 3) == nil)
        #expect(lapse(at: 1_000_000, inFlight: 3) == .age)
        #expect(lapse(at: 1_000_001, goingAway: true, inFlight: 3) == nil)
        #expect(ConnectionWatch.Lapse.age.isPolite && ConnectionWatch.Lapse.idle.isPolite)
        #expect(!ConnectionWatch.Lapse.unread.isPolite)
    }
}
