import Testing

@testable import SluiceEngine

/// The link's states, one transition at a time, and the class of each error that Redis gives.
@Suite("The Redis link's states and failures")
struct RedisLinkStateTests {
    /// A link on its way to a phase.
    private static func link(in phase: RedisLinkState.Phase) -> RedisLinkState {
        var state = RedisLinkState()
        switch phase {
        case .idle: break
        case .connecting: _ = state.start()
        case .handshaking(let outstanding):
            _ = state.start()
            _ = state.connected(burst: outstanding)
        case .ready:
            _ = state.start()
            _ = state.connected(burst: 1)
            _ = state.handshakeReply()
        case .waiting:
            _ = state.start()
            _ = state.failed()
        case .closed: _ = state.shutDown()
        }
        #expect(state.phase == phase)
        return state
    }

    private static let phases: [RedisLinkState.Phase] = [
        .idle, .connecting, .handshaking(outstanding: 2), .ready, .waiting, .closed,
    ]

    /// What each phase answers to an event, and the phase that follows.
    private static func check(
        _ event: (inout RedisLinkState) -> RedisLinkState.Action,
        _ rows: [(RedisLinkState.Action, RedisLinkState.Phase)],
        _ sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(rows.count == phases.count)
        for (phase, row) in zip(phases, rows) {
            var state = link(in: phase)
            #expect(event(&state) == row.0, "\(phase)", sourceLocation: sourceLocation)
            #expect(state.phase == row.1, "\(phase)", sourceLocation: sourceLocation)
            #expect(state.isReady == (row.1 == .ready), sourceLocation: sourceLocation)
        }
    }

    @Test("Start connects, once")
    func start() {
        Self.check(
            { $0.start() },
            [
                (.connect, .connecting), (.none, .connecting), (.none, .handshaking(outstanding: 2)), (.none, .ready),
                (.none, .waiting), (.none, .closed),
            ])
    }

    @Test("A socket begins the handshake; one that comes after the end is closed")
    func connected() {
        Self.check(
            { $0.connected(burst: 3) },
            [
                (.none, .idle), (.sendHandshake, .handshaking(outstanding: 3)), (.none, .handshaking(outstanding: 2)),
                (.none, .ready), (.none, .waiting), (.close, .closed),
            ])
    }

    @Test("The last reply of the handshake makes it ready")
    func handshakeReply() {
        Self.check(
            { $0.handshakeReply() },
            [
                (.none, .idle), (.none, .connecting), (.none, .handshaking(outstanding: 1)), (.none, .ready),
                (.none, .waiting), (.none, .closed),
            ])
        var state = Self.link(in: .handshaking(outstanding: 2))
        #expect(state.handshakeReply() == .none)
        #expect(state.handshakeReply() == .announceReady)
        #expect(state.phase == .ready)
    }

    @Test("A failure waits, and says whether there is anyone to tell")
    func failed() {
        let wait = RedisLinkState.Action.wait(attempt: 1, wasReady: false)
        Self.check(
            { $0.failed() },
            [
                (.none, .idle), (wait, .waiting), (wait, .waiting), (.wait(attempt: 1, wasReady: true), .waiting),
                (.none, .waiting), (.none, .closed),
            ])
    }

    @Test("The end of the backoff connects again")
    func backoffEnded() {
        Self.check(
            { $0.backoffEnded() },
            [
                (.none, .idle), (.none, .connecting), (.none, .handshaking(outstanding: 2)), (.none, .ready),
                (.connect, .connecting), (.none, .closed),
            ])
    }

    @Test("Shutting down closes the socket there is, for good")
    func shutDown() {
        Self.check(
            { $0.shutDown() },
            [
                (.none, .closed), (.none, .closed), (.close, .closed), (.close, .closed), (.none, .closed),
                (.none, .closed),
            ])
    }

    @Test("Failures in a row are counted, and forgotten once it was ready")
    func attempts() {
        var state = RedisLinkState()
        _ = state.start()
        for attempt in 1...5 {
            #expect(state.failed() == .wait(attempt: attempt, wasReady: false))
            #expect(state.backoffEnded() == .connect)
        }
        _ = state.connected(burst: 1)
        #expect(state.handshakeReply() == .announceReady)
        #expect(state.failed() == .wait(attempt: 1, wasReady: true))
    }

    @Test("Waits double up to five seconds, at random below that")
    func backoff() {
        let backoff = Backoff()
        for attempt in [1, 2, 3, 6, 7, 20, .max] {
            let bound = min(100 << min(attempt - 1, 16), 5_000)
            let delays = (0..<200).map { _ in backoff.delay(attempt: attempt).nanoseconds }
            #expect(delays.allSatisfy { 0...Int64(bound) * 1_000_000 ~= $0 })
            #expect(delays.max()! > Int64(bound) * 500_000)
            #expect(delays.min()! < Int64(bound) * 500_000)
        }
    }

    static let errors: [(error: String, outcome: RunOutcome)] = [
        ("NOSCRIPT No matching script. Please use EVAL.", .notExecuted(.noScript)),
        ("READONLY You can't write against a read only replica.", .notExecuted(.readOnly)),
        ("OOM command not allowed when used memory > 'maxmemory'.", .notExecuted(.outOfMemory)),
        ("LOADING Redis is loading the dataset in memory", .notExecuted(.loading)),
        ("BUSY Redis is busy running a script.", .notExecuted(.busy)),
        ("MISCONF Redis is configured to save RDB snapshots", .notExecuted(.misconfigured)),
        ("NOREPLICAS Not enough good replicas to write.", .notExecuted(.noReplicas)),
        ("NOAUTH Authentication required.", .notExecuted(.denied)),
        ("NOPERM this user has no permissions", .notExecuted(.denied)),
        ("WRONGPASS invalid username-password pair", .notExecuted(.denied)),
        ("MOVED 1 127.0.0.1:1", .notExecuted(.cluster)), ("ASK 1 127.0.0.1:1", .notExecuted(.cluster)),
        ("TRYAGAIN Multiple keys request during rehashing", .notExecuted(.cluster)),
        ("CLUSTERDOWN The cluster is down", .notExecuted(.cluster)),
        ("CROSSSLOT Keys in request don't hash to the same slot", .notExecuted(.cluster)),
        ("MASTERDOWN Link with MASTER is down", .notExecuted(.cluster)),
        ("ERR user_script:1: attempt to index a nil value", .unknown(.other)), ("", .unknown(.other)),
        ("WHATEVER", .unknown(.other)), ("noscript", .unknown(.other)), ("OOMX", .unknown(.other)),
    ]

    @Test("An error's first word tells whether the script ran", arguments: errors)
    func classify(_ error: String, _ outcome: RunOutcome) {
        #expect(RedisFailure.classify(error) == outcome)
    }
}
