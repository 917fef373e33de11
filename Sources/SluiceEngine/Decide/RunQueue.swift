import DequeModule
import NIOCore

/// What one event loop asks of one node of Redis, in order: gathers requests into script runs, sends a few at a time,
/// and hands what comes back to the decider.
///
/// While the link is idle a request goes out at the end of the turn that read it; while runs are out, requests gather
/// and go together. As in `Decider`, what every request touches is not checked for overlapping access.
final class RunQueue {
    private static let commandsForARun = 16
    /// Runs that are kept for later: as many as wait under a load that is worth a thought.
    private static let mostSpare = 64

    let link: RedisLink
    private unowned let decider: Decider
    /// Takes the next request.
    @exclusivity(unchecked) private(set) var open: Batch
    /// Full, waiting for their turn.
    private(set) var sealed: Deque<Batch> = []
    /// Sent, oldest first: Redis answers in order.
    private var out: Deque<Batch> = []
    private var spare: [Batch] = []
    private(set) var pace = RunPace()
    @exclusivity(unchecked) private(set) var breaker = Breaker()
    /// Runs at the front of `sealed` that Redis did not execute for want of the script.
    private var again = 0

    init(link: RedisLink, decider: Decider) {
        self.link = link
        self.decider = decider
        open = Batch(rules: decider.rules)
    }

    func start() {
        link.start(user: self)
    }

    /// Whether Redis is to be asked at all: it is connected, and not being given a rest. Where it is, now and then one
    /// request is let through to see.
    func admits(at now: NIODeadline) -> Bool { link.isConnected && breaker.admits(at: now) }

    // MARK: - Requests

    /// Sees that `open` can take one more.
    func makeRoom(atMs: UInt64? = nil) {
        if open.items.count >= decider.settings.bounds.requestsPerRun || open.cells >= pace.cellsPerRun
            || !open.takes(atMs: atMs)
        {
            closeOpen()
        }
        if open.isEmpty { open.drop = decider.drops.current }
    }

    /// What has been gathered goes by itself; what comes next, with others.
    func closeOpen() {
        guard !open.isEmpty else { return }
        sealed.append(open)
        open = takeBatch()
    }

    /// Another rule set is in force. What has been gathered is decided by the rules it was gathered under.
    func rulesChanged() {
        if !open.isEmpty { sealed.append(open) }
        open = takeBatch()
    }

    /// Sends `batch` behind all that was asked before it.
    func enqueue(_ batch: Batch) {
        closeOpen()
        sealed.append(batch)
        decider.scheduleTurn()
    }

    /// Whether more runs wait than are sent at a time.
    var isQueueing: Bool { sealed.count > decider.settings.bounds.runsInFlight }

    /// Whether the next run may go: of those that decide a few, of single commands more, for they take no time.
    var mayServe: Bool {
        let most = decider.settings.bounds.runsInFlight
        return out.count < (sealed.first?.isCommand == true ? most * Self.commandsForARun : most)
    }

    func sendRuns() {
        while link.isReady, mayServe {
            let run: Batch
            if let next = sealed.popFirst() {
                run = next
                again = max(0, again - 1)
            } else if !open.isEmpty {
                run = open
                open = takeBatch()
            } else {
                return
            }
            guard run.isWanted else {
                recycle(run)
                continue
            }
            guard run.expires > .now() else {
                run.completion?(.failure(.timeout))
                recycle(run)
                continue
            }
            send(run)
        }
    }

    private func send(_ run: Batch) {
        let isByNode = decider.cluster != nil && run.slot < 0
        run.seal(
            script: link.digest(of: isByNode ? .decideOnNode : .decide), ttlSlackMs: decider.ttlSlackMs,
            keysAsArguments: isByNode)
        run.sentAt = .now()
        decider.willSend(run)
        out.append(run)
        link.send(run, asking: run.isAsking)
    }

    func takeBatch() -> Batch {
        guard let batch = spare.popLast() else { return Batch(rules: decider.rules) }
        batch.reset(rules: decider.rules)
        return batch
    }

    func recycle(_ batch: Batch) {
        guard spare.count < Self.mostSpare else { return }
        batch.completion = nil
        spare.append(batch)
    }

    /// Whether there is nothing to send and nothing to wait for.
    var isIdle: Bool { open.isEmpty && sealed.isEmpty && out.isEmpty }

    // MARK: - Deadlines

    /// Has the decider answer what is past its deadline.
    ///
    /// - Parameter earliest: becomes the earliest deadline that is left, if that is earlier.
    func expire(at now: NIODeadline, _ earliest: inout NIODeadline) {
        for batch in out { decider.expire(batch, at: now, &earliest) }
        for batch in sealed { decider.expire(batch, at: now, &earliest) }
        decider.expire(open, at: now, &earliest)
        dropUnwanted()
    }

    /// Forgets runs that nobody waits for any more and that were never sent: while Redis hangs they would pile up.
    private func dropUnwanted() {
        if sealed.contains(where: { !$0.isWanted }) {
            var kept: Deque<Batch> = []
            var keptAgain = 0
            for (position, batch) in sealed.enumerated() {
                if batch.isWanted {
                    kept.append(batch)
                    if position < again { keptAgain += 1 }
                } else {
                    recycle(batch)
                }
            }
            (sealed, again) = (kept, keptAgain)
        }
        if !open.isEmpty, !open.isWanted { open.reset(rules: decider.rules) }
    }

    /// The oldest request that waits here and was never sent: its run and its place there.
    var oldestUnsent: (Batch, Int)? {
        for batch in sealed.dropFirst(again) {
            if let item = batch.firstWaiting { return (batch, item) }
        }
        return open.firstWaiting.map { (open, $0) }
    }

    private func fail(_ run: Batch, _ failure: RedisFailure) {
        decider.fail(run, failure)
        recycle(run)
    }
}

// MARK: - The link

extension RunQueue: RedisLinkUser {
    func linkBecameReady() {
        again = 0
        breaker.reset()
        decider.cluster?.refresh()
        decider.scheduleTurn()
    }

    /// What was never sent stays, and goes over the next connection if that comes in time.
    func linkWasLost() {
        again = 0
        pace.pause()
        failCommands()
    }

    func linkCouldNotConnect() {
        failCommands()
    }

    /// Those who wait for no deadline are told at once that Redis is not there.
    private func failCommands() {
        let waiting = sealed
        sealed = []
        for run in waiting {
            if run.completion == nil { sealed.append(run) } else { fail(run, .disconnected) }
        }
        decider.cluster?.refresh()
        decider.scheduleTurn()
    }

    func runAnswered(_ run: Batch, _ reply: Reply) {
        out.removeFirst()
        let now = NIODeadline.now()
        pace.answered(cells: run.cells, at: now, isBusy: !out.isEmpty)
        if !run.items.isEmpty { note(breaker.answered(inTime: run.isWanted, at: now)) }
        decider.runAnswered(run, reply, at: now)
        recycle(run)
        decider.scheduleTurn()
    }

    func runFailed(_ run: Batch, _ outcome: RunOutcome) {
        out.removeFirst()
        pace.pause()
        switch outcome {
        case .notExecuted(.noScript):
            // The script is being loaded; these go again in the order they were in, ahead of all others.
            sealed.insert(run, at: again)
            again += 1
        case .notExecuted(let failure):
            if failure.holdsOff { note(breaker.refused(at: .now())) }
            fail(run, failure)
        case .redirected(let redirect):
            if decider.cluster?.follow(redirect, run) != true { fail(run, .cluster) }
        case .unknown(let failure):
            fail(run, failure)
        }
        decider.scheduleTurn()
    }

    private func note(_ change: Breaker.Change?) {
        if let change { decider.breakerChanged(change, of: self) }
    }
}
