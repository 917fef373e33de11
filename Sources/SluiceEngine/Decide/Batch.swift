import NIOCore
import SluiceModel

/// Who waits for an item's answer: a place in the loop's tables, not a promise.
struct Caller {
    /// The connection's place and the life of that place, so that a late answer finds nobody.
    var connection: Int32
    var epoch: UInt32
    var stream: UInt32
    /// The CheckBatch it belongs to, or -1, and its position there.
    var group: Int32 = -1
    var position: Int32 = 0
}

/// One request of a batch, as plain data.
struct BatchItem {
    var caller: Caller
    var received: NIODeadline
    var deadline: NIODeadline
    var mode: Mode
    var cost: UInt64 = 0
    var amount: UInt64 = 0
    var isEvent = false
    /// Not 0: it is no request but so many attempts that were refused without Redis and are to be counted. Nobody waits.
    var attempts = 0
    var isAnswered = false
    /// What a list says of it, in the batch's `effects`, or -1.
    var effect: Int32
    /// Its place in the batch's `samples`, or -1.
    var sample: Int32
    /// The request it is a part of, in the batch's `parts`, or -1.
    var part: Int32 = -1
    /// Its rules, in the batch's `uses`.
    var uses: Range<Int>
}

/// One script run under construction, out, or answered. Its buffers are reused from run to run.
///
/// Requests are encoded as they arrive: a key goes straight into the command, and what is kept of a request is an
/// item and the rules it met. As in `Decider`, what every request touches is not checked for overlapping access.
final class Batch {
    /// The rule set that every request of the batch is judged by.
    @exclusivity(unchecked) private(set) var rules: ActiveRules
    @exclusivity(unchecked) private(set) var items: [BatchItem] = []
    @exclusivity(unchecked) private(set) var uses: [RuleUse] = []
    /// What the few requests name that tell which entities come up most.
    @exclusivity(unchecked) private(set) var samples: [TopSketches.Pending] = []
    /// What lists say of the few requests that name somebody on one.
    @exclusivity(unchecked) private(set) var effects: [ListEffect] = []
    /// Where items are parts of requests that several nodes decide: which of which.
    private(set) var parts: [(split: SplitRequest, part: Int)] = []
    /// Items without an answer.
    @exclusivity(unchecked) private(set) var waiting = 0
    /// Refused attempts that it counts.
    @exclusivity(unchecked) private(set) var attempts = 0
    /// The last of the drops (`RefusalDrops`) before its first request joined it.
    @exclusivity(unchecked) var drop: UInt64 = 0
    /// The whole EVALSHA, once sealed.
    private(set) var command = ByteBuffer()
    /// When it went to Redis, last.
    var sentAt = NIODeadline.now()
    /// Set for what an operator asked, which travels alone: takes the reply, good during the call only, or the reason
    /// why there is none.
    var completion: ((Result<Reply, RedisFailure>) -> Void)?
    /// Set for a command that is not the decide script: an operator's, or an undo.
    private(set) var isCommand = false
    /// Nobody waits for it, and it has to be done all the same.
    var isOwed = false
    /// All its keys lie in this slot of a cluster and are declared; -1: they go as arguments, by node.
    var slot = -1
    /// The slot is on its way to the node that it goes to.
    var isAsking = false
    /// How often it has been sent elsewhere.
    var hops = 0
    static let mostHops = 32
    /// When nobody waits for its completion any more.
    var expires = NIODeadline.distantFuture
    /// The caller's clock of the last request, where the service takes it.
    @exclusivity(unchecked) private var lastAtMs: UInt64 = 0
    @exclusivity(unchecked) private var writer = RunWriter()

    init(rules: ActiveRules) {
        self.rules = rules
        reset(rules: rules)
    }

    var isEmpty: Bool { writer.operationCount == 0 && !isCommand }
    /// Counter uses in all: what Redis has to do, more or less.
    var cells: Int { writer.cellCount }
    /// Whether somebody still waits for it.
    var isWanted: Bool { waiting > 0 || attempts > 0 || isOwed || completion != nil }

    /// Whether a request at the caller's time `atMs` may still join: within one run time only goes on.
    func takes(atMs: UInt64?) -> Bool { (atMs ?? lastAtMs) >= lastAtMs }

    func reset(rules: ActiveRules) {
        self.rules = rules
        items.removeAll(keepingCapacity: true)
        uses.removeAll(keepingCapacity: true)
        samples.removeAll(keepingCapacity: true)
        effects.removeAll(keepingCapacity: true)
        if !parts.isEmpty { parts.removeAll(keepingCapacity: true) }
        (isOwed, slot, isAsking, hops) = (false, -1, false, 0)
        waiting = 0
        attempts = 0
        completion = nil
        expires = .distantFuture
        isCommand = false
        lastAtMs = 0
        writer.reset(rules)
    }

    // MARK: - Building

    /// Adds a request that meets `met`, at least one rule unless it has an event id.
    func add(
        _ request: RequestView,
        _ index: DimensionIndex,
        meets met: [RuleUse],
        caller: Caller,
        received: NIODeadline,
        deadline: NIODeadline,
        sample: TopSketches.Pending? = nil,
        effect: ListEffect? = nil
    ) {
        writer.add(request, index, met, effect, rules)
        let first = uses.count
        uses.append(contentsOf: met)
        items.append(
            BatchItem(
                caller: caller,
                received: received,
                deadline: deadline,
                mode: request.mode,
                cost: request.cost,
                amount: request.amount,
                isEvent: !request.eventID.isEmpty && request.mode != .peek,
                effect: effect == nil ? -1 : Int32(effects.count),
                sample: sample == nil ? -1 : Int32(samples.count),
                uses: first..<uses.count
            )
        )
        if let sample { samples.append(sample) }
        if let effect { effects.append(effect) }
        waiting += 1
        if let atMs = request.atMs { lastAtMs = atMs }
    }

    /// Adds what one node is asked of a request. Its index is filled.
    func add(
        part: Int, of split: SplitRequest, _ request: RequestView, _ index: DimensionIndex, eventKey: [UInt8]?
    ) {
        let role: RunWriter.Role = split.reserves ? .reserves : .whole
        writer.add(request, index, split.uses(of: part), split.effect, rules, role: role, eventKey: eventKey)
        append(split.uses(of: part), of: split, request, part: Int32(parts.count))
        parts.append((split, part))
        waiting += 1
    }

    /// Adds that the blocks begin which `met`, some of a request's rules, would begin. Nobody waits for it.
    func addBlocks(_ met: [RuleUse], of split: SplitRequest, _ request: RequestView, _ index: DimensionIndex) {
        writer.add(request, index, met, split.effect, rules, role: .blocks)
        append(met, of: split, request, part: -1)
        items[items.count - 1].isAnswered = true
        isOwed = true
    }

    private func append(_ met: [RuleUse], of split: SplitRequest, _ request: RequestView, part: Int32) {
        let first = uses.count
        uses.append(contentsOf: met)
        items.append(
            BatchItem(
                caller: Caller(connection: -1, epoch: 0, stream: 0), received: split.received,
                deadline: split.deadline, mode: request.mode, cost: request.cost, amount: request.amount,
                isEvent: split.isEvent, effect: -1, sample: -1, part: part, uses: first..<uses.count))
        if let atMs = request.atMs { lastAtMs = atMs }
    }

    /// Adds attempts that were refused without Redis: counted like a record, judged by nothing, awaited by nobody.
    func add(_ attempt: PendingAttempts.Entry, key: UnsafeRawBufferPointer) {
        writer.add(attempt, key, rules)
        uses.append(attempt.use)
        attempts += attempt.attempts
        items.append(
            BatchItem(
                caller: Caller(connection: -1, epoch: 0, stream: 0), received: .now(), deadline: .distantFuture,
                mode: .record, attempts: attempt.attempts, isAnswered: true, effect: -1, sample: -1,
                uses: uses.count - 1..<uses.count))
    }

    /// Adds the look at every limit of `met`; the batch then holds nothing else.
    func addInspection(_ request: RequestView, _ index: DimensionIndex, meets met: [RuleUse]) {
        writer.addInspection(request, index, met, rules)
        uses.append(contentsOf: met)
    }

    /// Makes the batch a command of its own, in the same queue: what was asked before it is done before it.
    func set(command arguments: [[UInt8]]) {
        isCommand = true
        command.clear()
        CommandFormatter.write(arguments, into: &command)
    }

    /// Puts the command together. A run that has to be sent again is sealed again.
    ///
    /// - Parameters:
    ///   - script: what SCRIPT LOAD answered.
    ///   - ttlSlackMs: added to every TTL where the caller's clock is used, which is not the one Redis expires by.
    ///   - keysAsArguments: the script is that of a cluster's node.
    func seal(script: [UInt8], ttlSlackMs: UInt64, keysAsArguments: Bool = false) {
        guard !isCommand else { return }
        command.clear()
        writer.writeCommand(
            script: script, ttlSlackMs: ttlSlackMs, keysAsArguments: keysAsArguments, rules, into: &command)
    }

    // MARK: - Answering

    /// The key of the entity that a use is about; good until the next request is added.
    func key(ofUse use: Int) -> UnsafeRawBufferPointer { writer.key(ofUse: use) }

    func effect(of item: Int) -> ListEffect? {
        items[item].effect < 0 ? nil : effects[Int(items[item].effect)]
    }

    /// Of the items that may be refused singly and have no answer, that with the earliest deadline.
    var firstWaiting: Int? {
        guard waiting > 0 else { return nil }
        var first: Int?
        for item in items.indices
        where !items[item].isAnswered && items[item].caller.group < 0 && items[item].part < 0 {
            if let known = first, items[known].deadline <= items[item].deadline { continue }
            first = item
        }
        return first
    }

    /// Marks an item answered; false when it was already.
    func answer(_ item: Int) -> Bool {
        guard !items[item].isAnswered else { return false }
        items[item].isAnswered = true
        waiting -= 1
        return true
    }
}
