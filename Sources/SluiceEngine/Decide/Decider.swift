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
    /// Whether more of the requests that wait are this caller's connection's than its share.
    func hasMoreThanItsShare(_ caller: Caller) -> Bool
}

/// Decides the requests of one event loop: finds the rules they meet, has Redis decide by them, and answers itself what
/// Redis does not answer in time.
///
/// What every request touches is not checked for overlapping access while the program runs: a check costs about a hundred
/// instructions, and a request would make a dozen. None of it is lent to code that can reach this object.
final class Decider {
    let loop: any EventLoop
    let settings: ServiceSettings
    /// Set where the counters are spread over a Redis Cluster.
    @exclusivity(unchecked) private(set) var cluster: Cluster?
    /// One for each node of Redis.
    @exclusivity(unchecked) private(set) var queues: [RunQueue] = []
    let lists: LoopLists
    @exclusivity(unchecked) private(set) var rules: ActiveRules
    @exclusivity(unchecked) private(set) var metrics = LoopMetrics()
    weak var sink: (any AnswerSink)?

    private let logger: Logger
    /// Requests without an answer.
    @exclusivity(unchecked) var waiting = 0
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

    /// Of rules whose `on_redis_failure` is local.
    var estimates: LocalEstimates
    let drops: RefusalDrops
    let refusals: RefusalCache
    /// The key that is being looked up among them.
    @exclusivity(unchecked) var refusalKey = RawBytes()
    @exclusivity(unchecked) var attempts = PendingAttempts()
    var areAttemptsDue = false

    /// A day: in a replay Redis must not expire what the events' clock still needs.
    private static let replayTTLSlackMs: UInt64 = 86_400_000

    var ttlSlackMs: UInt64 { settings.clock == .request ? Self.replayTTLSlackMs : 0 }

    /// - Parameters:
    ///   - drops: shared by the loops of a service.
    ///   - stallLimit: of a single Redis; nil: what the deadlines say.
    ///   - scripts: what a single Redis is given.
    init(
        loop: any EventLoop, settings: ServiceSettings, rules: ActiveRules, target: RedisTarget,
        drops: RefusalDrops = RefusalDrops(), logger: Logger, stallLimit: TimeAmount? = nil,
        scripts: [[UInt8]] = LoadedScript.ofOne
    ) {
        self.loop = loop
        self.settings = settings
        self.rules = rules
        lists = LoopLists(file: rules.lists)
        estimates = LocalEstimates(capacity: settings.bounds.estimatesPerLoop)
        self.logger = logger
        self.drops = drops
        // At the caller's time nothing is known of what comes next.
        refusals = RefusalCache(capacity: settings.clock == .redis ? settings.bounds.refusalsPerLoop : 0, drops: drops)
        metrics.begin(rules.set, after: nil)
        top.use(rules.set)
        if case .cluster(let seeds) = target.topology {
            cluster = Cluster(target: target, seeds: seeds, decider: self, logger: logger)
        } else {
            let link = RedisLink(
                target: target, loop: loop, logger: logger, stallLimit: stallLimit ?? settings.deadlines.stallLimit,
                scripts: scripts)
            queues = [RunQueue(link: link, decider: self)]
        }
    }

    /// Whether every node can be asked.
    var isRedisReady: Bool { cluster?.isReady ?? queues.allSatisfy(\.link.isReady) }
    /// Connections made so far; another number, and what was read before may no longer be there.
    var connects: UInt64 { queues.reduce(0) { $0 &+ $1.link.connects } }

    /// The cluster has other nodes.
    func queuesChanged() {
        if let cluster { queues = cluster.queues }
    }

    func start() {
        if let cluster { return cluster.start() }
        for queue in queues { queue.start() }
    }

    func shutDown() {
        cluster?.shutDown()
        for queue in queues { queue.link.shutDown() }
        timer?.cancel()
    }

    /// Puts another rule set in force.
    func use(_ next: ActiveRules) {
        sendAttempts()
        metrics.begin(next.set, after: rules.set)
        refusals.reset()
        top.use(next.set)
        lists.use(file: next.lists)
        rules = next
        for queue in queues { queue.rulesChanged() }
    }

    func updateMetrics(_ body: (inout LoopMetrics) -> Void) {
        body(&metrics)
    }

    // MARK: - Requests

    /// Whether `count` more requests have room.
    func hasRoom(for count: Int) -> Bool { waiting + count <= settings.bounds.waitingPerLoop }

    /// Whether another undo has room.
    var hasRoomForUndo: Bool { undosWaiting < settings.bounds.undosPerLoop }

    /// Sees that one more request may wait. Where too many do, the one that was never sent and whose deadline is the
    /// nearest gives way, unless the connection that asks has more than its share of those that wait.
    func makeRoom(for caller: Caller) -> Bool {
        guard !hasRoom(for: 1) else { return true }
        guard let sink, !sink.hasMoreThanItsShare(caller) else { return false }
        var oldest: (batch: Batch, item: Int)?
        for queue in queues {
            guard let (batch, item) = queue.oldestUnsent else { continue }
            if let known = oldest, known.batch.items[known.item].deadline <= batch.items[item].deadline { continue }
            oldest = (batch, item)
        }
        guard let (batch, item) = oldest, batch.answer(item) else { return false }
        waiting -= 1
        metrics.shed += 1
        sink.refuse(batch.items[item].caller, .resourceExhausted, "others that wait have a later deadline")
        return true
    }

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
        if let cluster {
            return split(request, effect, from: caller, received: received, deadline: deadline, over: cluster)
        }
        let queue = queues[0]
        guard queue.admits(at: received) else {
            metrics.count(queue.link.isConnected ? .heldOff : .disconnected)
            let uses = met[...]
            decideByPolicy(uses, FallbackRequest(request), effect, rules) {
                writeRefusalKey(of: uses[$0].tuple, request)
            } memberOf: {
                memberHash(of: uses[$0], request)
            }
            return deliver(answer, to: caller, received: received, met[...], rules)
        }
        guard makeRoom(for: caller) else {
            metrics.shed += 1
            sink?.refuse(caller, .resourceExhausted, "too many requests are waiting")
            return
        }
        if !attempts.isEmpty { sendAttempts(before: request) }
        queue.makeRoom(atMs: request.atMs)
        let sample = request.mode == .check ? top.sample(request, index) : nil
        queue.open.add(
            request, index, meets: met, caller: caller, received: received, deadline: deadline, sample: sample,
            effect: effect)
        waiting += 1
        arm(deadline)
        scheduleTurn()
    }

    func memberHash(of use: RuleUse, _ request: RequestView) -> UInt64? {
        let dimension = rules.plan.variants[Int(use.variant)].member
        guard dimension >= 0, let value = index.value(Int(dimension), of: request) else { return nil }
        return drops.hash(value)
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
        for queue in queues { queue.sendRuns() }
        sink?.endOfTurn()
        top.digest()
    }

    func willSend(_ run: Batch) {
        guard !run.items.isEmpty else { return }
        metrics.countRun(requests: run.items.count)
        for item in run.items where item.attempts == 0 {
            metrics.countQueued(micros: Self.micros(from: item.received, to: run.sentAt))
        }
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

    func answerByPolicy(_ batch: Batch, _ item: Int, _ failure: RedisFailure) {
        guard batch.answer(item) else { return }
        waiting -= 1
        if batch.items[item].part >= 0 {
            let (split, part) = batch.parts[Int(batch.items[item].part)]
            return failed(part, of: split, failure)
        }
        metrics.count(failure)
        let at = batch.items[item]
        let request = FallbackRequest(mode: at.mode, cost: at.cost, amount: at.amount)
        decideByPolicy(batch.uses[at.uses], request, batch.effect(of: item), batch.rules) { use in
            drops.hash(batch.key(ofUse: use))
        }
        note(at.sample, of: batch, isRefused: answer.verdict == .deny)
        deliver(answer, to: at.caller, received: at.received, batch.uses[at.uses], batch.rules)
    }

    /// Notes what became of a sampled request, whose dimensions are numbered as in its rules.
    private func note(_ sample: Int32, of batch: Batch, isRefused: Bool) {
        guard sample >= 0, batch.rules === rules else { return }
        top.note(batch.samples[Int(sample)], isRefused: isRefused)
    }

    /// Redis gave no answer to a run.
    func fail(_ run: Batch, _ failure: RedisFailure) {
        for item in run.items.indices { answerByPolicy(run, item, failure) }
        metrics.attemptsLost &+= UInt64(run.attempts)
        run.completion?(.failure(failure))
    }

    func runAnswered(_ run: Batch, _ reply: Reply, at now: NIODeadline) {
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
            let outcome = try reading.readItem(&answer, uses: uses[at.uses], plan: rules.plan)
            guard outcome == .answered else {
                metrics.attemptsLost &+= UInt64(at.attempts)
                if outcome == .elsewhere, isElsewhere(item, of: run) { continue }
                if outcome == .unreadable { metrics.unreadableCells += 1 }
                answerByPolicy(run, item, outcome == .unreadable ? .unreadable : .cluster)
                continue
            }
            if answer.verdict == .deny { keepRefusals(of: answer, to: at, in: run, repliedAt: now) }
            if at.part >= 0 {
                take(answer, for: item, of: run, countedAtMs: reading.nowMs)
                continue
            }
            guard run.answer(item) else { continue }
            waiting -= 1
            if let effect = run.effect(of: item) { answer.show(effect, in: rules.set) }
            note(at.sample, of: run, isRefused: answer.verdict == .deny)
            deliver(answer, to: at.caller, received: at.received, uses[at.uses], rules, now: now)
        }
    }

    func breakerChanged(_ change: Breaker.Change, of queue: RunQueue) {
        switch change {
        case .opened:
            metrics.breakerOpenings &+= 1
            logger.warning("Redis is late or refuses, and is given a rest", metadata: ["redis": "\(queue.link.name)"])
        case .closed: logger.info("Redis answers again", metadata: ["redis": "\(queue.link.name)"])
        }
    }
}

// MARK: - Deadlines

extension Decider {
    /// The timer's grain: a caller with a tiny deadline cannot make it fire more often than this.
    private static let grainNanoseconds: UInt64 = 500_000

    /// One timer for all requests, armed for the earliest deadline.
    func arm(_ deadline: NIODeadline) {
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
        for queue in queues { queue.expire(at: now, &earliest) }
        for run in cluster?.held ?? [] { expire(run, at: now, &earliest) }
        if earliest < .distantFuture { arm(earliest) }
    }

    func expire(_ batch: Batch, at now: NIODeadline, _ earliest: inout NIODeadline) {
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
}
