import NIOCore
import SluiceModel

/// Refusing without Redis what Redis has refused a moment ago, and what has to be counted of it all the same.
extension Decider {
    /// How long attempts may wait to be counted. What is judged by them here waits for nothing: they go before it.
    private static let patience = TimeAmount.milliseconds(10)

    /// More than any window or block: what a reply says is within what nanoseconds can tell.
    private static let longestWaitMs: UInt64 = 1 << 43

    // MARK: - Refusing

    /// Answers a check that limits are known to refuse; false: Redis has to decide it.
    ///
    /// Redis also has to see what might begin a block.
    func refuse(
        _ request: RequestView, from caller: Caller, received: NIODeadline, _ effect: ListEffect?
    ) -> Bool {
        let now = received.uptimeNanoseconds
        guard !refusals.isOver(at: now), request.mode == .check, request.eventID.isEmpty, effect?.kind != .allow
        else { return false }
        // Once each: every look at a property of an object is paid for.
        let (rules, met, refusals) = (rules, met, refusals)
        guard met.contains(where: { $0.judges && refusals.mayRefuse($0.variant, at: now) }) else { return false }
        answer.clear(basis: .cache)
        refusals.isScouting = false
        var (isRefused, countsAttempts) = (false, false)
        var (hash, tuple) = (UInt64(0), Int16(-1))
        for use in met {
            let plan = rules.refusals.variants[Int(use.variant)]
            if use.counts, plan.countsAttempts { countsAttempts = true }
            guard use.judges else { continue }
            var limits: UInt8 = 0
            if plan.kept != 0, refusals.mayRefuse(use.variant, at: now),
                let weight = plan.weight(of: use, cost: request.cost, amount: request.amount)
            {
                if use.tuple != tuple { (hash, tuple) = (writeRefusalKey(of: use.tuple, request), use.tuple) }
                limits = refusals.find(refusalKey.bytes, hash: hash, variant: use.variant, weight: weight, at: now)
                if limits != 0 { take(limits, of: use.variant, weight: weight, at: now, rules) }
                if limits & plan.refusing != 0 { isRefused = true }
            }
            guard plan.blocking & ~limits == 0 else { return false }
        }
        guard isRefused, !refusals.isScouting, !countsAttempts || noteAttempts(request) else { return false }
        answer.verdict = .deny
        if let effect { answer.show(effect, in: rules.set) }
        if let sample = top.sample(request, index) { top.note(sample, isRefused: true) }
        deliver(answer, to: caller, received: received, met[...], rules)
        return true
    }

    /// Takes the trips that the cache has just found, in order.
    private func take(
        _ limits: UInt8, of variant: Int32, weight: UInt64, at now: UInt64, _ rules: ActiveRules
    ) {
        var rest = limits
        while rest != 0 {
            let limit = rest.trailingZeroBitCount
            rest &= rest - 1
            let refusal = refusals.refusal(by: limit)
            // What weighs more may be more than the limit ever lets through.
            let passes =
                refusal.passesAt != RefusalCache.never && weight <= rules.set.variants[Int(variant)].limits[limit].max
            let waitNs = refusal.passesAt > now ? refusal.passesAt - now : 0
            answer.trips.append(
                AnswerTrip(
                    variant: Int(variant), limit: limit, used: refusal.used,
                    retryAfterMs: passes ? max(1, waitNs / 1_000_000 + (waitNs % 1_000_000 > 0 ? 1 : 0)) : nil,
                    isBlocked: refusal.isBlocked))
        }
    }

    func writeRefusalKey(of tuple: Int16, _ request: RequestView) -> UInt64 {
        let rules = rules
        refusalKey.removeAll()
        refusalKey.append(atMost: rules.keys.most(of: Int(tuple))) {
            rules.keys.write(Int(tuple), request, index, into: &$0)
        }
        return drops.hash(refusalKey.bytes)
    }

    // MARK: - Keeping

    /// Keeps what `answer`, Redis' own to the item `at` of `run`, says of limits that will refuse again. Its verdict is
    /// deny.
    func keepRefusals(of answer: borrowing Answer, to at: BatchItem, in run: Batch, repliedAt: NIODeadline) {
        guard refusals.capacity > 0, run.rules === rules, at.mode == .check, !at.isEvent, !answer.isDuplicate,
            answer.trips.contains(where: { refuses($0) })
        else { return }
        let sentAt = run.sentAt.uptimeNanoseconds
        for trip in answer.trips {
            let plan = rules.refusals.variants[trip.variant]
            let bit = UInt8(1) << UInt8(trip.limit)
            guard plan.kept & bit != 0 else { continue }
            guard
                let place = at.uses.first(where: { run.uses[$0].judges && Int(run.uses[$0].variant) == trip.variant }),
                let weight = plan.weight(of: run.uses[place], cost: at.cost, amount: at.amount),
                let lastsMs = lasts(trip, weight)
            else { continue }
            let until = sentAt + lastsMs * 1_000_000
            refusals.keep(
                RefusalCache.Refusal(
                    // A trip that was not blocked yet is from here on.
                    variant: Int32(trip.variant), limit: UInt8(trip.limit),
                    isBlocked: trip.isBlocked || plan.blocking & bit != 0,
                    weight: weight, used: trip.used,
                    // Redis read its clock before it replied: whoever comes back at this time does pass.
                    passesAt: trip.retryAfterMs.map {
                        repliedAt.uptimeNanoseconds + min($0, Self.longestWaitMs) * 1_000_000
                    } ?? RefusalCache.never,
                    // And after the run was sent, in whole milliseconds: up to one less than has passed.
                    until: until,
                    scoutFrom: lastsMs == RefusalCache.longestMs
                        ? until - RefusalCache.scoutMs * 1_000_000 : RefusalCache.never,
                    drop: run.drop),
                for: run.key(ofUse: place), at: repliedAt.uptimeNanoseconds)
        }
    }

    /// Whether a trip gives the verdict deny and is one that is kept.
    private func refuses(_ trip: AnswerTrip) -> Bool {
        rules.refusals.variants[trip.variant].refusing & 1 << UInt8(trip.limit) != 0
    }

    /// How long a trip may be served, from when its run was sent; nil: not at all.
    private func lasts(_ trip: AnswerTrip, _ weight: UInt64) -> UInt64? {
        let limit = rules.set.variants[trip.variant].limits[trip.limit]
        var lastsMs = RefusalCache.longestMs
        if let retryAfterMs = trip.retryAfterMs { lastsMs = min(lastsMs, max(retryAfterMs, 1) - 1) }
        if rules.refusals.variants[trip.variant].blockingBriefly & 1 << UInt8(trip.limit) != 0 {
            // When a block ends and the limit is still full, the next request begins another: Redis must see that one.
            let isFull = limit.max == 0 || trip.used > limit.max || weight > limit.max - trip.used
            if trip.isBlocked, isFull { return nil }
            if !trip.isBlocked { lastsMs = min(lastsMs, limit.blockForMs.min() ?? 0) }
        }
        return lastsMs
    }

    // MARK: - Dropping

    /// The stripes of all counters that an event of `request`, in normal form, can have moved.
    func stripesOfCounters(of request: RequestView) -> [Int] {
        index.fill(request, in: rules.set)
        return rules.set.tuples.indices.compactMap { tuple in
            let isNamed = rules.set.tuples[tuple].dimensions.allSatisfy { index.value($0, of: request) != nil }
            return isNamed ? RefusalDrops.stripe(of: writeRefusalKey(of: Int16(tuple), request)) : nil
        }
    }

    func dropRefusals(_ stripes: [Int]) {
        for stripe in stripes { drops.drop(stripe: stripe) }
    }

    // MARK: - Attempts

    /// Notes what a refused request counts all the same; false, and nothing noted, if that cannot be made up for later:
    /// members of a set cannot be added up, and what is noted has a bound.
    private func noteAttempts(_ request: RequestView) -> Bool {
        // Where runs queue, more of them would only wait as well.
        guard !queues.contains(where: \.isQueueing) else { return false }
        var others = 0
        for use in met where use.counts && rules.refusals.variants[Int(use.variant)].countsAttempts {
            guard let weights = attempt(of: use, request) else { return false }
            let hash = writeRefusalKey(of: use.tuple, request)
            guard
                attempts.hasRoom(
                    refusalKey.bytes, hash, use, cost: weights.cost, amount: weights.amount, beside: others)
            else { return false }
            others += 1
        }
        for use in met where use.counts && rules.refusals.variants[Int(use.variant)].countsAttempts {
            guard let weights = attempt(of: use, request) else { continue }
            let hash = writeRefusalKey(of: use.tuple, request)
            attempts.add(refusalKey.bytes, hash, use, cost: weights.cost, amount: weights.amount)
            updateMetrics { $0.attemptsCoalesced &+= 1 }
        }
        armAttempts()
        return true
    }

    /// What a request would add to the counters of a rule that counts it; nil of a set.
    private func attempt(of use: RuleUse, _ request: RequestView) -> (cost: UInt64, amount: UInt64)? {
        switch rules.refusals.variants[Int(use.variant)].weight {
        case .cost: (request.cost, 0)
        case .amount: (0, request.amount)
        case .member: nil
        }
    }

    private func armAttempts() {
        guard !areAttemptsDue else { return }
        areAttemptsDue = true
        let me = NIOLoopBound(self, eventLoop: loop)
        loop.scheduleTask(in: Self.patience) { me.value.attemptsAreDue() }
    }

    private func attemptsAreDue() {
        areAttemptsDue = false
        guard !attempts.isEmpty else { return attempts.removeAll() }
        // While Redis is slow they wait, added up, rather than queue.
        guard queues.allSatisfy({ $0.mayServe || !$0.link.isConnected }) else { return armAttempts() }
        sendAttempts()
    }

    /// Has all attempts counted, behind what has been asked and before what will be.
    func sendAttempts() {
        for entry in attempts.entries.indices { send(attempt: entry) }
        attempts.removeAll()
        scheduleTurn()
    }

    /// Has those attempts counted that `request` may be judged by, so that it finds what came before it.
    func sendAttempts(before request: RequestView) {
        var (hash, tuple) = (UInt64(0), Int16(-1))
        for use in met where rules.refusals.variants[Int(use.variant)].countsAttempts && use.tuple != tuple {
            (hash, tuple) = (writeRefusalKey(of: use.tuple, request), use.tuple)
            for entry in attempts.entries.indices where attempts.isOf(entry, refusalKey.bytes, hash) {
                send(attempt: entry)
            }
        }
    }

    private func send(attempt entry: Int) {
        guard let taken = attempts.take(entry) else { return }
        let queue = attempts.withKey(of: entry) { self.queue(of: $0) }
        guard let queue, queue.link.isConnected else {
            return updateMetrics { $0.attemptsLost &+= UInt64(taken.attempts) }
        }
        queue.makeRoom()
        attempts.withKey(of: entry) { queue.open.add(taken, key: $0) }
    }
}
