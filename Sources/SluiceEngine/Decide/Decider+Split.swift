import LuaScripts
import NIOCore
import SluiceModel

/// Deciding over the nodes of a cluster: a request is cut into a part for each node that serves one of its entities. A
/// part is judged and counted there as a request of its own, in one atomic step, as a reservation; the request's verdict
/// is the worst of its parts'. Where one part was refused the others give back what they reserved: for a moment that
/// refuses too much, and never admits too much. Blocks begin once the verdict is final.
///
/// An event is remembered by each of its entities, so its request is cut by entity: where the entities lie may change.
extension Decider {
    // MARK: - Out

    /// Takes a request whose rules are `met`, with `index` filled.
    func split(
        _ request: RequestView, _ effect: ListEffect?, from caller: Caller, received: NIODeadline,
        deadline: NIODeadline, over cluster: Cluster
    ) {
        guard makeRoom(for: caller) else {
            updateMetrics { $0.shed += 1 }
            sink?.refuse(caller, .resourceExhausted, "too many requests are waiting")
            return
        }
        if !attempts.isEmpty { sendAttempts(before: request) }
        let split = SplitRequest(
            request, uses: met, effect: effect, caller: caller, received: received, deadline: deadline, rules: rules,
            sample: request.mode == .check ? top.sample(request, index) : nil)
        var queues: [RunQueue?] = []
        for (tuple, uses) in Self.byTuple(met) {
            let queue = cluster.queue(of: KeySlot.of(entityKey(of: tuple, request, rules)))
            if !split.isEvent, let queue, let known = queues.firstIndex(where: { $0 === queue }) {
                split.parts[known].uses = (split.parts[known].uses + uses).sorted()
            } else {
                queues.append(queue)
                split.parts.append(SplitRequest.Part(uses: uses))
            }
        }
        if split.parts.isEmpty {
            split.parts.append(SplitRequest.Part(uses: []))
            queues.append(cluster.queue(of: KeySlot.of(eventKey(of: 0, split, request))))
        }
        split.missing = split.parts.count
        arm(deadline)
        for (part, queue) in queues.enumerated() {
            guard let queue, queue.admits(at: received) else {
                failed(part, of: split, queue == nil ? .cluster : queue!.link.isConnected ? .heldOff : .disconnected)
                continue
            }
            queue.makeRoom(atMs: request.atMs)
            let key = split.isEvent ? eventKey(of: part, split, request) : nil
            queue.open.add(part: part, of: split, request, index, eventKey: key)
            waiting += 1
        }
        scheduleTurn()
    }

    /// The uses of a request, by their places, for each of its tuples.
    private static func byTuple(_ uses: [RuleUse]) -> [(tuple: Int16, uses: [Int])] {
        var groups: [(tuple: Int16, uses: [Int])] = []
        for (place, use) in uses.enumerated() {
            if let known = groups.firstIndex(where: { $0.tuple == use.tuple }) {
                groups[known].uses.append(place)
            } else {
                groups.append((use.tuple, [place]))
            }
        }
        return groups
    }

    /// The key of an entity's hash. `index` is filled by `rules`.
    func entityKey(of tuple: Int16, _ request: RequestView, _ rules: ActiveRules) -> [UInt8] {
        var key = RawBytes()
        key.append(atMost: rules.keys.most(of: Int(tuple))) {
            rules.keys.write(Int(tuple), request, index, into: &$0)
        }
        return Array(key.bytes)
    }

    /// Where a part of an event's request remembers it: with its entity; where it has none, with the first of the request.
    private func eventKey(of part: Int, _ split: SplitRequest, _ request: RequestView) -> [UInt8] {
        if let use = split.parts[part].uses.first {
            let entity = entityKey(of: split.uses[use].tuple, request, split.rules)
            return EntityKeyWriter.eventKey(behind: entity, request, mode: split.mode)
        }
        var key: [UInt8] = []
        EntityKeyWriter.writeEventKey(prefix: split.rules.keyPrefix, request, mode: split.mode, into: &key)
        return key
    }

    // MARK: - Elsewhere

    /// A key of an item lies on another node, or is on its way to one: its part is asked again, entity by entity, with
    /// the key declared, so that its node says where it is.
    ///
    /// - Returns: false if the item is no part, or has been asked that way.
    func isElsewhere(_ item: Int, of run: Batch) -> Bool {
        guard let cluster, run.items[item].part >= 0 else { return false }
        let (split, part) = run.parts[Int(run.items[item].part)]
        guard !split.parts[part].isDeclared, run.answer(item) else { return false }
        waiting -= 1
        cluster.refresh()
        split.request.withView { request in
            index.fill(request, in: split.rules.set)
            var groups = Self.byTuple(split.uses(of: part)).map { group in
                group.uses.map { split.parts[part].uses[$0] }
            }
            if groups.isEmpty { groups = [[]] }
            var parts = [part]
            for (number, uses) in groups.enumerated() {
                if number > 0 {
                    parts.append(split.parts.count)
                    split.parts.append(SplitRequest.Part(uses: uses))
                    split.missing += 1
                }
                split.parts[parts[number]].uses = uses
                split.parts[parts[number]].isDeclared = true
            }
            for part in parts { sendDeclared(part, of: split, request, cluster) }
        }
        return true
    }

    private func sendDeclared(_ part: Int, of split: SplitRequest, _ request: RequestView, _ cluster: Cluster) {
        let entity = split.parts[part].uses.first.map { entityKey(of: split.uses[$0].tuple, request, split.rules) }
        let event = split.isEvent ? eventKey(of: part, split, request) : nil
        guard let (queue, batch) = (entity ?? event).flatMap({ declaredRun(of: $0, split.rules, cluster) }) else {
            return failed(part, of: split, .cluster)
        }
        batch.drop = drops.current
        batch.add(part: part, of: split, request, index, eventKey: event)
        waiting += 1
        queue.enqueue(batch)
    }

    /// A run to who serves `key`, which is declared.
    private func declaredRun(of key: [UInt8], _ rules: ActiveRules, _ cluster: Cluster) -> (RunQueue, Batch)? {
        let slot = KeySlot.of(key)
        guard let queue = cluster.queue(of: slot) else { return nil }
        let batch = queue.takeBatch()
        batch.reset(rules: rules)
        batch.slot = slot
        return (queue, batch)
    }

    // MARK: - Back

    /// Takes what a node answered of an item that is a part.
    func take(_ answer: borrowing Answer, for item: Int, of run: Batch, countedAtMs: UInt64) {
        let (split, part) = run.parts[Int(run.items[item].part)]
        let atMs = split.request.withView { $0.atMs } ?? countedAtMs
        let isInTime = run.answer(item)
        if isInTime { waiting -= 1 }
        split.parts[part].verdict = answer.verdict
        split.parts[part].trips = answer.trips
        split.parts[part].isDuplicate = answer.isDuplicate
        split.parts[part].firstRetryAfterMs = answer.firstRetryAfterMs
        split.parts[part].tightest = answer.tightest
        split.parts[part].countedAtMs = atMs
        guard isInTime else {
            // Too late for its request, which was refused without it: what it reserved goes back.
            if split.verdict == .deny { release(part, of: split) }
            return
        }
        split.parts[part].state = .answered
        end(split)
    }

    /// A part has no answer.
    func failed(_ part: Int, of split: SplitRequest, _ failure: RedisFailure) {
        split.parts[part].state = .failed(failure)
        end(split)
    }

    /// Answers the request once its last part is there.
    private func end(_ split: SplitRequest) {
        split.missing -= 1
        guard split.missing == 0 else { return }
        var (answered, failedUses): ([Int], [Int]) = ([], [])
        var failure: RedisFailure?
        for part in split.parts.indices {
            switch split.parts[part].state {
            case .answered: answered.append(part)
            case .failed(let why):
                failure = failure ?? why
                failedUses += split.parts[part].uses
            case .waiting: return
            }
        }
        // A reply is being read into `answer`'s place by somebody else: this one is put together apart.
        var merged = Answer()
        swap(&merged, &answer)
        defer { swap(&merged, &answer) }
        answer.clear(basis: .redis)
        if let failure {
            updateMetrics { $0.count(failure) }
            fallBack(for: split, failedUses.sorted())
        }
        merge(answered, of: split)
        split.verdict = answer.verdict
        if let effect = split.effect, !answered.isEmpty { answer.show(effect, in: split.rules.set) }
        if let sample = split.sample, split.rules === rules { top.note(sample, isRefused: answer.verdict == .deny) }
        deliver(answer, to: split.caller, received: split.received, split.uses[...], split.rules)
        guard split.mode == .check else { return }
        let isRefused = answer.verdict == .deny
        for part in answered {
            if isRefused { release(part, of: split) }
            if split.reserves { beginBlocks(part, of: split) }
        }
    }

    private func fallBack(for split: SplitRequest, _ places: [Int]) {
        let uses = places.map { split.uses[$0] }
        split.request.withView { request in
            index.fill(request, in: split.rules.set)
            decideByPolicy(uses[...], split.fallback, split.effect, split.rules) { use in
                entityKey(of: uses[use].tuple, request, split.rules).withUnsafeBytes { drops.hash($0) }
            } memberOf: { use in
                split.rules === rules ? memberHash(of: uses[use], request) : nil
            }
        }
    }

    /// Adds what the nodes answered to `answer`, trips in the order of the rules.
    private func merge(_ parts: [Int], of split: SplitRequest) {
        var order: [Int: Int] = [:]
        for (place, use) in split.uses.enumerated() { order[Int(use.variant)] = place }
        var least = 2.0
        var (repeated, retryAfter): (Bool, UInt64?) = (!parts.isEmpty, 0)
        // What a part that lets it pass has left it says with its reservation, which a refusal elsewhere takes back.
        let isRefused = parts.contains { split.parts[$0].verdict == .deny }
        for part in parts.map({ split.parts[$0] }) {
            answer.verdict = max(answer.verdict, part.verdict)
            answer.trips += part.trips
            if !part.isDuplicate { repeated = false }
            guard let tightest = part.tightest, !isRefused || part.verdict == .deny else { continue }
            let limit = split.rules.set.variants[tightest.variant].limits[tightest.limit]
            let share = limit.max == 0 ? 0 : Double(tightest.remaining) / Double(limit.max)
            let isEarlier =
                answer.tightest.map { order[tightest.variant] ?? 0 < order[$0.variant] ?? 0 } ?? true
            if share < least || share == least && isEarlier { (least, answer.tightest) = (share, tightest) }
        }
        if split.effect?.kind == .allow { answer.verdict = .allow }
        for part in parts.map({ split.parts[$0] }) where part.isDuplicate && part.verdict == answer.verdict {
            // What a repeat is told is the first verdict, if that is the one that counts.
            if part.verdict == .deny { repeated = true }
            retryAfter = retryAfter.flatMap { known in part.firstRetryAfterMs.map { max(known, $0) } }
        }
        answer.isDuplicate = repeated
        if repeated { answer.firstRetryAfterMs = retryAfter == 0 ? nil : retryAfter }
        guard parts.count > 1 else { return }
        answer.trips.sort { (order[$0.variant] ?? 0, $0.limit) < (order[$1.variant] ?? 0, $1.limit) }
    }

    // MARK: - Afterwards

    /// Gives back what a part has counted as admitted. What does not arrive leaves a counter that is too high.
    private func release(_ part: Int, of split: SplitRequest) {
        let own = split.parts[part]
        guard split.mode == .check, own.verdict != .deny, !own.isDuplicate else { return }
        let set = split.rules.set
        split.request.withView { request in
            index.fill(request, in: split.rules.set)
            for group in Self.byTuple(split.uses(of: part)) {
                var arguments = ["\(own.countedAtMs)", request.atMs.map(String.init) ?? ""].map { Array($0.utf8) }
                for use in group.uses.map({ split.uses[own.uses[$0]] }) where use.counts {
                    let variant = set.variants[Int(use.variant)]
                    let rule = set.rules[variant.rule]
                    // One in shadow that would have refused has counted nothing.
                    let refusedItself = own.trips.contains {
                        $0.variant == Int(use.variant) && variant.limits[$0.limit].verdict == .deny
                    }
                    guard rule.counting == .admitted, !(rule.shadow && refusedItself) else { continue }
                    arguments += release(use, variant, rule, request, split.rules)
                }
                let entity = entityKey(of: group.tuple, request, split.rules)
                let event = split.isEvent ? [EntityKeyWriter.eventKey(behind: entity, request, mode: split.mode)] : []
                guard arguments.count > 2 || split.isEvent else { continue }
                evaluate(.release, keys: [entity] + event, arguments) { [weak self] result in
                    self?.updateMetrics {
                        if case .success = result { $0.releases &+= 1 } else { $0.releasesLost &+= 1 }
                    }
                }
            }
        }
    }

    /// For each counter that a use has moved its field, measure, weight and member.
    private func release(
        _ use: RuleUse, _ variant: RuleVariant, _ rule: Rule, _ request: RequestView, _ rules: ActiveRules
    ) -> [[UInt8]] {
        var weight = request.cost
        var member: [UInt8] = []
        switch rule.measure {
        case .count: break
        case .sum: weight = request.amount
        case .distinct:
            let dimension = rules.plan.variants[Int(use.variant)].member
            guard dimension >= 0, let value = index.value(Int(dimension), of: request) else { return [] }
            let digest = EntityKeyWriter.member(of: value)
            member = digest.indices.map { digest[$0] }
        }
        guard weight > 0 else { return [] }
        let numbers = ["\(ScriptPlan.code(of: rule.measure))", "\(weight)"].map { Array($0.utf8) }
        return variant.counters.flatMap { [Array($0.field.utf8)] + numbers + [member] }
    }

    /// Has the node of a part begin the blocks of the limits that have tripped there.
    private func beginBlocks(_ part: Int, of split: SplitRequest) {
        guard let cluster, split.effect?.kind != .allow else { return }
        let begins = split.parts[part].trips.contains { trip in
            let variant = split.rules.set.variants[trip.variant]
            return !trip.isBlocked && !variant.limits[trip.limit].blockForMs.isEmpty
                && !split.rules.set.rules[variant.rule].shadow
        }
        guard begins else { return }
        split.request.withView { request in
            index.fill(request, in: split.rules.set)
            for group in Self.byTuple(split.uses(of: part)) {
                let key = entityKey(of: group.tuple, request, split.rules)
                guard let (queue, batch) = declaredRun(of: key, split.rules, cluster) else { continue }
                let uses = group.uses.map { split.uses[split.parts[part].uses[$0]] }
                batch.addBlocks(uses, of: split, request, index)
                queue.enqueue(batch)
            }
        }
    }
}
