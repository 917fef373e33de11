import Testing

@testable import SluiceEngine

/// One transition at a time.
@Suite("The Redis link's states, and how long it waits")
struct RedisLinkStateTests {
    /// A link on its way to a phase.
    private static func link(in phase: RedisLinkState.Phase) -> RedisLinkState {
        var state = RedisLinkState()
        func start() { _ = state.start() }
        func find() {
            start()
            _ = state.found()
        }
        func becomeReady() {
            find()
            _ = state.connected(burst: 1)
            _ = state.handshakeReply()
        }
        switch phase {
        case .idle: break
        case .finding: start()
        case .connecting: find()
        case .handshaking(let outstanding):
            find()
            _ = state.connected(burst: outstanding)
        case .ready: becomeReady()
        case .draining:
            becomeReady()
            _ = state.replace()
        case .waiting:
            start()
            _ = state.failed()
        case .closed: _ = state.shutDown()
        }
        #expect(state.phase == phase)
        return state
    }

    private static let two = RedisLinkState.Phase.handshaking(outstanding: 2)
    private static let phases: [RedisLinkState.Phase] = [
        .idle, .finding, .connecting, two, .ready, .draining, .waiting, .closed,
    ]

    /// What a phase answers to an event, and the phase that follows. Phases that are not named ignore it.
    private static func check(
        _ event: (inout RedisLinkState) -> RedisLinkState.Action,
        _ rows: [(from: RedisLinkState.Phase, action: RedisLinkState.Action, to: RedisLinkState.Phase)],
        _ sourceLocation: SourceLocation = #_sourceLocation
    ) {
        for phase in phases {
            let row = rows.first { $0.from == phase }
            var state = link(in: phase)
            #expect(event(&state) == row?.action ?? .none, "\(phase)", sourceLocation: sourceLocation)
            #expect(state.phase == row?.to ?? phase, "\(phase)", sourceLocation: sourceLocation)
            #expect(state.isReady == (state.phase == .ready), sourceLocation: sourceLocation)
        }
    }

    @Test("Start looks for the primary, once")
    func start() {
        Self.check({ $0.start() }, [(.idle, .find, .finding)])
    }

    @Test("A primary that was found is connected to")
    func found() {
        Self.check({ $0.found() }, [(.finding, .connect, .connecting)])
    }

    @Test("A socket begins the handshake; one that comes after the end is closed")
    func connected() {
        Self.check(
            { $0.connected(burst: 3) },
            [(.connecting, .sendHandshake, .handshaking(outstanding: 3)), (.closed, .close, .closed)])
    }

    @Test("The last reply of the handshake makes it ready")
    func handshakeReply() {
        Self.check({ $0.handshakeReply() }, [(Self.two, .none, .handshaking(outstanding: 1))])
        var state = Self.link(in: Self.two)
        #expect(state.isHandshaking)
        #expect(state.handshakeReply() == .none)
        #expect(state.isHandshaking)
        #expect(state.handshakeReply() == .announceReady)
        #expect(state.phase == .ready)
        #expect(!state.isHandshaking)
    }

    @Test("A connection to the wrong server drains")
    func replace() {
        Self.check({ $0.replace() }, [(.ready, .drain, .draining)])
    }

    @Test("A failure waits, and says whether there is anyone to tell")
    func failed() {
        let wait = RedisLinkState.Action.wait(attempt: 1, wasReady: false)
        let told = RedisLinkState.Action.wait(attempt: 1, wasReady: true)
        Self.check(
            { $0.failed() },
            [
                (.finding, wait, .waiting), (.connecting, wait, .waiting), (Self.two, wait, .waiting),
                (.ready, told, .waiting), (.draining, told, .waiting),
            ])
    }

    @Test("The end of the backoff looks for the primary again")
    func backoffEnded() {
        Self.check({ $0.backoffEnded() }, [(.waiting, .find, .finding)])
    }

    @Test("Shutting down closes the socket there is, for good")
    func shutDown() {
        Self.check(
            { $0.shutDown() },
            [
                (.idle, .none, .closed), (.finding, .none, .closed), (.connecting, .none, .closed),
                (Self.two, .close, .closed), (.ready, .close, .closed), (.draining, .close, .closed),
                (.waiting, .none, .closed),
            ])
    }

    @Test("Failures in a row are counted, and forgotten once it was ready")
    func attempts() {
        var state = RedisLinkState()
        _ = state.start()
        for attempt in 1...5 {
            if attempt % 2 == 0 { _ = state.found() }
            #expect(state.failed() == .wait(attempt: attempt, wasReady: false))
            #expect(state.backoffEnded() == .find)
        }
        _ = state.found()
        _ = state.connected(burst: 1)
        #expect(state.handshakeReply() == .announceReady)
        #expect(state.failed() == .wait(attempt: 1, wasReady: true))
    }

    @Test("Waits grow by a tenth up to five seconds, at random below that")
    func backoff() {
        let backoff = Backoff()
        for (attempt, boundMs) in [(Int.min, 100.0), (1, 100), (2, 110), (10, 235.8), (42, 4_978.5), (43, 5_000)] {
            let delays = (0..<200).map { _ in backoff.delay(attempt: attempt).nanoseconds }
            #expect(delays.allSatisfy { 0...Int64(boundMs * 1_000_100) ~= $0 }, "\(attempt)")
            #expect(Double(delays.max()!) > boundMs * 900_000)
            #expect(Double(delays.min()!) < boundMs * 100_000)
        }
        #expect(backoff.delay(attempt: .max) <= .seconds(5))
    }

    @Test("A Redis that refuses is asked again after a second, however often it has refused")
    func refusedBackoff() {
        for attempt in [1, 10, 1_000] {
            for _ in 0..<100 {
                let delay = Backoff().delay(attempt: attempt, isRefused: true)
                #expect(delay >= .seconds(1) && delay <= .milliseconds(1_100))
            }
        }
    }

    @Test("An outage of three seconds ends within one, whatever the dice say")
    func shortOutage() {
        var dice = 0
        for _ in 0..<1_000 {
            var (elapsed, attempt) = (Int64(0), 1)
            while elapsed < 3_000_000_000 {
                elapsed += Backoff().delay(attempt: attempt).nanoseconds
                attempt += 1
            }
            if elapsed > 4_000_000_000 { dice += 1 }
        }
        #expect(dice == 0)
    }
}
