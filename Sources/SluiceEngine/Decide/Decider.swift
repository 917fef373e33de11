import DequeModule
import Foundation
import Logging
import NIOCore
import SluiceModel
import SluiceWire

/// Where answers go: the connections of the same event loop.
protocol AnswerSink: AnyObject {
    /// `payload` writes the message of a response with status 0, of at most `most` bytes.
    func deliver(_ caller: Caller, micros: UInt32, atMost most: Int, _ payload: (inout ByteCursor) -> Void)
    func refuse(_ caller: Caller, _ status: WireStatus, _ message: String)
    /// All that one turn of the loop brought has been delivered.
    func endOfTurn()
}

/// Decides the requests of one event loop: gathers them into script runs, sends the runs, reads the answers, and
/// answers by policy what Redis does not answer in time.
///
/// While the link is idle a request goes out at the end of the turn that read it; while runs are out, requests gather
/// and go together. All of it lives on the loop.
///
/// What every request touches is not checked for overlapping access while the program runs: a check costs about a hundred
/// instructions, and a request would make a dozen. None of it is lent to code that can reach this object.
final class Decider {
    let loop: any EventLoop
    let settings: ServiceSettings
    let link: RedisLink
    let lists: LoopLists
    @exclusivity(unchecked) private(set) var rules: ActiveRules
    @exclusivity(unchecked) private(set) var metrics = LoopMetrics()
    weak var sink: (any AnswerSink)?

    private let logger: Logger
    /// Takes the next request.
    @exclusivity(unchecked) var open: Batch
    /// Full, waiting for their turn.
    var sealed: Deque<Batch> = []
    /// Sent, oldest first: Redis answers in order.
    private var out: Deque<Batch> = []
    private var spare: [Batch] = []
    private(set) var pace = RunPace()
    /// Runs at the front of `sealed` that Redis did not execute for want of the script.
    private var again = 0
    /// Requests without an answer.
    @exclusivity(unchecked) private(set) var waiting = 0
    var undosWaiting = 0
    @exclusivity(unchecked) private var isTurnScheduled = false
    private var timer: Scheduled<Void>?
    @exclusivity(unchecked) private var timerDeadline = NIODeadline.distantFuture

    // Scratch, kept so that a request allocates nothing.
    @exclusivity(unchecked) var index = DimensionIndex()
    @exclusivity(unchecked) var met: [RuleUse] = []
    @exclusivity(unchecked) var answer = Answer()
    var normalForm: [UInt8] = []
    /// The time of the last request, where callers give it.
    @exclusivity(unchecked) var latestAtMs: UInt64 = 0
    @exclusivity(unchecked) var top = TopSketches()

    let drops: RefusalDrops
    let refusals: RefusalCache
    /// The key that is being looked up among them.
    @exclusivity(unchecked) var refusalKey = RawBytes()
    @exclusivity(unchecked) var attempts = PendingAttempts()
    var areAttemptsDue = false

    /// A day: in a replay Redis must not expire what the events' clock still needs.
    private static let replayTTLSlackMs: UInt64 = 86_400_000

    var ttlSlackMs: UInt64 { settings.clock == .request ? Self.replayTTLSlackMs : 0 }

    /// - Parameter drops: shared by the loops of a service.
    init(
        loop: any EventLoop, settings: ServiceSettings, rules: ActiveRules, link: RedisLink,
        drops: RefusalDrops = RefusalDrops(), logger: Logger
    ) {
        self.loop = loop
        self.settings = settings
        self.rules = rules
        self.link = link
        lists = LoopLists(file: rules.lists)
        self.logger = logger
        self.drops = drops
        // At the caller's time nothing is known of what comes next.
        refusals = RefusalCache(capacity: settings.clock == .redis ? settings.bounds.refusalsPerLoop : 0, drops: drops)
        open = Batch(rules: rules)
        metrics.begin(rules.set, after: nil)
        top.use(rules.set)
    }

    func start() {
        link.start(user: self)
    }

    func shutDown() {
        link.shutDown()
        timer?.cancel()
    }

    /// Puts another rule set in force. What has been gathered is decided by the rules it was gathered under.
    func use(_ next: ActiveRules) {
        sendAttempts()
        if !open.isEmpty { sealed.append(open) }
        metrics.begin(next.set, after: rules.set)
        refusals.reset()
        top.use(next.set)
        lists.use(file: next.lists)
        rules = next
        open = takeBatch()
    }

    func updateMetrics(_ body: (inout LoopMetrics) -> Void) {
        body(&metrics)
    }

    // MARK: - Requests

    /// Whether `count` more requests have room.
    func hasRoom(for count: Int) -> Bool { waiting + count <= settings.bounds.waitingPerLoop }

    /// Whether another undo has room.
    var hasRoomForUndo: Bool { undosWaiting < settings.bounds.undosPerLoop }

    /// Takes a decoded request, its age checked; its bytes are not needed afterwards.
    func submit(
        _ request: RequestView,
        from caller: Caller,
        received: NIODeadline,
        deadline: NIODeadline
    ) {
        guard rules.set.hasNormalizers else {
            return take(request, raw: request, from: caller, received: received, deadline: deadline)
        }
        rules.set.normalizing(request, scratch: &normalForm) { normal in
            take(normal, raw: request, from: caller, received: received, deadline: deadline)
        }
    }

    /// - Parameter raw: the request as it came.
    private func take(
        _ request: RequestView,
        raw: RequestView,
        from caller: Caller,
        received: NIODeadline,
        deadline: NIODeadline
    ) {
        if let atMs = request.atMs { latestAtMs = atMs }
        met.removeAll(keepingCapacity: true)
        index.fill(request, in: rules.set)
        rules.set.match(request, index, into: &met)
        let effect = request.mode == .record ? nil : listEffect(on: request, raw: raw)
        let isEvent = !request.eventID.isEmpty && request.mode != .peek
        guard !met.isEmpty || isEvent else {
            answer.clear(basis: .redis)
            if let effect { answer.take(effect) }
            return deliver(answer, to: caller, received: received, [], rules)
        }
        if refuse(request, from: caller, received: received, effect) { return }
        guard link.isConnected else {
            metrics.count(.disconnected)
            decideByPolicy(met[...], mode: request.mode, effect, in: rules.set)
            return deliver(answer, to: caller, received: received, met[...], rules)
        }
        guard hasRoom(for: 1) else {
            metrics.shed += 1
            sink?.refuse(caller, .resourceExhausted, "too many requests are waiting")
            return
        }
        if !attempts.isEmpty { sendAttempts(before: request) }
        makeRoom(atMs: request.atMs)
        let sample = request.mode == .check ? top.sample(request, index) : nil
        open.add(
            request, index, meets: met, caller: caller, received: received, deadline: deadline, sample: sample,
            effect: effect)
        waiting += 1
        arm(deadline)
        scheduleTurn()
    }

    /// Sees that `open` can take one more.
    func makeRoom(atMs: UInt64? = nil) {
        if open.items.count >= settings.bounds.requestsPerRun || open.cells >= pace.cellsPerRun
            || !open.takes(atMs: atMs)
        {
            sealed.append(open)
            open = takeBatch()
        }
        if open.isEmpty { open.drop = drops.current }
    }

    /// What the lists say of a request, `raw` as it came.
    private func listEffect(on request: RequestView, raw: RequestView) -> ListEffect? {
        guard !lists.isEmpty else { return nil }
        let nowMs = request.atMs ?? UInt64(Date().timeIntervalSince1970 * 1_000)
        return lists.effect(on: request, raw: raw, nowMs: nowMs)
    }

    func topSketches(by rank: TopRank) -> (byDimension: [String: [SpaceSaving]], windowMs: UInt64) {
        top.sketches(by: rank)
    }

    /// Refuses an outcome that no window reaches any more.
    func checkAge(_ request: RequestView) throws(InvalidRequest) {
        guard request.ageMs > 0 else { return }
        guard request.ageMs <= request.atMs ?? .max else {
            throw InvalidRequest("age_ms is before the beginning of time")
        }
        guard let longest = rules.set.longestCountedWindowMs(of: request.slice(request.action)) else { return }
        guard request.ageMs <= longest else { throw InvalidRequest("age_ms is older than every window") }
    }

    // MARK: - Turns

    /// Once for all that this turn of the loop reads: send what may go, flush what was answered.
    func scheduleTurn() {
        guard !isTurnScheduled else { return }
        isTurnScheduled = true
        let me = NIOLoopBound(self, eventLoop: loop)
        loop.execute { me.value.endTurn() }
    }

    private func endTurn() {
        isTurnScheduled = false
        sendRuns()
        sink?.endOfTurn()
        top.digest()
    }

    private func sendRuns() {
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
            run.seal(script: link.digest(of: .decide), ttlSlackMs: ttlSlackMs)
            run.sentAt = .now()
            if !run.items.isEmpty { metrics.countRun(requests: run.items.count) }
            for item in run.items where item.attempts == 0 {
                metrics.countQueued(micros: Self.micros(from: item.received, to: run.sentAt))
            }
            out.append(run)
            link.send(run)
        }
    }

    /// Whether the next run may go: of those that decide a few, of single commands more, for they take no time.
    var mayServe: Bool {
        let most = settings.bounds.runsInFlight
        return out.count < (sealed.first?.isCommand == true ? most * Self.commandsForARun : most)
    }

    private static let commandsForARun = 16
    /// Runs that are kept for later: as many as wait under a load that is worth a thought.
    private static let mostSpare = 64

    func takeBatch() -> Batch {
        guard let batch = spare.popLast() else { return Batch(rules: rules) }
        batch.reset(rules: rules)
        return batch
    }

    func recycle(_ batch: Batch) {
        guard spare.count < Self.mostSpare else { return }
        batch.completion = nil
        spare.append(batch)
    }

    // MARK: - Answers

    private static func micros(from start: NIODeadline, to end: NIODeadline) -> UInt64 {
        UInt64(clamping: (end - start).nanoseconds / 1_000)
    }

    func deliver(
        _ answer: borrowing Answer,
        to caller: Caller,
        received: NIODeadline,
        _ uses: ArraySlice<RuleUse>,
        _ rules: ActiveRules,
        now: NIODeadline? = nil
    ) {
        let micros = UInt32(clamping: Self.micros(from: received, to: now ?? .now()))
        metrics.count(answer, uses, by: rules.set, isCurrent: rules === self.rules, micros: micros)
        sink?.deliver(caller, micros: micros, atMost: rules.parts.most(of: answer)) {
            rules.parts.write(answer, in: rules.set, into: &$0)
        }
        scheduleTurn()
    }

    /// Fills `answer` with what the rules say while Redis cannot: the worst of those that would have judged.
    private func decideByPolicy(
        _ uses: ArraySlice<RuleUse>, mode: Mode, _ effect: ListEffect?, in rules: RuleSet
    ) {
        answer.clear(basis: .policy)
        guard mode != .record else { return }
        for use in uses where use.judges {
            let rule = rules.rules[rules.variants[Int(use.variant)].rule]
            if !rule.shadow, rule.onRedisFailure == .deny { answer.verdict = .deny }
        }
        if let effect { answer.take(effect) }
    }

    private func answerByPolicy(_ batch: Batch, _ item: Int, _ failure: RedisFailure) {
        guard batch.answer(item) else { return }
        waiting -= 1
        metrics.count(failure)
        let at = batch.items[item]
        decideByPolicy(batch.uses[at.uses], mode: at.mode, batch.effect(of: item), in: batch.rules.set)
        note(at.sample, of: batch, isRefused: answer.verdict == .deny)
        deliver(answer, to: at.caller, received: at.received, batch.uses[at.uses], batch.rules)
    }

    /// Notes what became of a sampled request, whose dimensions are numbered as in its rules.
    private func note(_ sample: Int32, of batch: Batch, isRefused: Bool) {
        guard sample >= 0, batch.rules === rules else { return }
        top.note(batch.samples[Int(sample)], isRefused: isRefused)
    }

    private func fail(_ batch: Batch, _ failure: RedisFailure) {
        for item in batch.items.indices { answerByPolicy(batch, item, failure) }
        metrics.attemptsLost &+= UInt64(batch.attempts)
        batch.completion?(.failure(failure))
        recycle(batch)
    }
}

// MARK: - The link

extension Decider: RedisLinkUser {
    func linkBecameReady() {
        again = 0
        scheduleTurn()
    }

    func linkWasLost() {
        again = 0
        sendAttempts()
        while let batch = sealed.popFirst() { fail(batch, .disconnected) }
        if !open.isEmpty {
            let batch = open
            open = takeBatch()
            fail(batch, .disconnected)
        }
        scheduleTurn()
    }

    func runAnswered(_ run: Batch, _ reply: Reply) {
        out.removeFirst()
        let now = NIODeadline.now()
        pace.answered(cells: run.cells, at: now, isBusy: !out.isEmpty)
        defer {
            recycle(run)
            scheduleTurn()
        }
        if let completion = run.completion { return completion(.success(reply)) }
        do throws(RunReply.Malformed) {
            var reading = try RunReply(reply)
            metrics.clockSteps &+= reading.clockSteps
            metrics.countReply(micros: Self.micros(from: run.sentAt, to: now))
            try read(&reading, for: run, now)
        } catch {
            logger.error("a script run's reply is not the script's")
            for item in run.items.indices { answerByPolicy(run, item, .malformed) }
        }
    }

    private func read(_ reading: inout RunReply, for run: Batch, _ now: NIODeadline) throws(RunReply.Malformed) {
        // Taken out of the object for the whole run: each look at it there would ask whether anybody else is at it.
        var answer = Answer()
        swap(&answer, &self.answer)
        defer { swap(&answer, &self.answer) }
        let (rules, uses) = (run.rules, run.uses)
        for item in 0..<run.items.count {
            let at = run.items[item]
            answer.clear(basis: .redis)
            guard try reading.readItem(&answer, uses: uses[at.uses], plan: rules.plan) else {
                metrics.unreadableCells += 1
                metrics.attemptsLost &+= UInt64(at.attempts)
                answerByPolicy(run, item, .unreadable)
                continue
            }
            if answer.verdict == .deny { keepRefusals(of: answer, to: at, in: run, repliedAt: now) }
            guard run.answer(item) else { continue }
            waiting -= 1
            if let effect = run.effect(of: item) { answer.show(effect, in: rules.set) }
            note(at.sample, of: run, isRefused: answer.verdict == .deny)
            deliver(answer, to: at.caller, received: at.received, uses[at.uses], rules, now: now)
        }
    }

    func runFailed(_ run: Batch, _ outcome: RunOutcome) {
        out.removeFirst()
        pace.pause()
        switch outcome {
        case .notExecuted(.noScript):
            // The script is being loaded; these go again in the order they were in, ahead of all others.
            sealed.insert(run, at: again)
            again += 1
        case .notExecuted(let failure), .unknown(let failure): fail(run, failure)
        case .redirected: fail(run, .cluster)
        }
        scheduleTurn()
    }
}

// MARK: - Deadlines

extension Decider {
    /// The timer's grain: a caller with a tiny deadline cannot make it fire more often than this.
    private static let grainNanoseconds: UInt64 = 500_000

    /// One timer for all requests, armed for the earliest deadline.
    private func arm(_ deadline: NIODeadline) {
        guard deadline < timerDeadline else { return }
        timer?.cancel()
        let grains = deadline.uptimeNanoseconds / Self.grainNanoseconds + 1
        timerDeadline = .uptimeNanoseconds(grains * Self.grainNanoseconds)
        let me = NIOLoopBound(self, eventLoop: loop)
        timer = loop.scheduleTask(deadline: timerDeadline) { me.value.expire() }
    }

    /// Answers by policy what is past its deadline, and arms the timer for the earliest that is left.
    private func expire() {
        timerDeadline = .distantFuture
        let now = NIODeadline.now()
        var earliest = NIODeadline.distantFuture
        for batch in out { expire(batch, at: now, &earliest) }
        for batch in sealed { expire(batch, at: now, &earliest) }
        expire(open, at: now, &earliest)
        dropUnwanted()
        if earliest < .distantFuture { arm(earliest) }
    }

    private func expire(_ batch: Batch, at now: NIODeadline, _ earliest: inout NIODeadline) {
        guard batch.waiting > 0 else { return }
        for item in batch.items.indices where !batch.items[item].isAnswered {
            let deadline = batch.items[item].deadline
            if deadline <= now {
                answerByPolicy(batch, item, .timeout)
            } else if deadline < earliest {
                earliest = deadline
            }
        }
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
        if !open.isEmpty, !open.isWanted { open.reset(rules: rules) }
    }
}
