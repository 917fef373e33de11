import NIOCore
import SluiceModel

/// What is asked of Redis beside decisions. It takes its place behind all that was asked before it.
extension Decider {
    /// Looks at every limit whose tuple `request` names.
    func inspect(
        _ request: RequestView,
        _ completion: @escaping (ActiveRules, [RuleUse], Result<[InspectedLimit], RedisFailure>) -> Void
    ) {
        var found: [RuleUse] = []
        let rules = rules
        rules.set.normalizing(request, scratch: &normalForm) { request in
            index.fill(request, in: rules.set)
            rules.set.matchAll(request, index, into: &found)
            guard !found.isEmpty else { return completion(rules, [], .success([])) }
            guard cluster == nil else { return inspectEach(request, found, rules, completion) }
            inspect(request, found, on: queues.first, slot: -1) { completion(rules, found, $0) }
        }
    }

    /// Looks at the limits of `uses` in one run. `index` is filled.
    private func inspect(
        _ request: RequestView, _ uses: [RuleUse], on queue: RunQueue?, slot: Int,
        _ completion: @escaping (Result<[InspectedLimit], RedisFailure>) -> Void
    ) {
        guard let queue else { return completion(.failure(.cluster)) }
        let batch = queue.takeBatch()
        batch.slot = slot
        batch.addInspection(request, index, meets: uses)
        enqueue(batch, on: queue) { result in completion(result.flatMap { RunReply.readInspection($0) }) }
    }

    /// Looks at the limits of each tuple where it lies, and puts what comes back into the order of the rules.
    private func inspectEach(
        _ request: RequestView, _ found: [RuleUse], _ rules: ActiveRules,
        _ completion: @escaping (ActiveRules, [RuleUse], Result<[InspectedLimit], RedisFailure>) -> Void
    ) {
        let tuples = Set(found.map(\.tuple))
        var limits: [[InspectedLimit]] = Array(repeating: [], count: found.count)
        var failure: RedisFailure?
        var missing = tuples.count
        for tuple in tuples {
            let places = found.indices.filter { found[$0].tuple == tuple }
            let slot = KeySlot.of(entityKey(of: tuple, request, rules))
            inspect(request, places.map { found[$0] }, on: cluster?.queue(of: slot), slot: slot) { result in
                switch result {
                case .success(var read):
                    for place in places {
                        let count = min(rules.set.variants[Int(found[place].variant)].limits.count, read.count)
                        limits[place] = Array(read.prefix(count))
                        read.removeFirst(count)
                    }
                case .failure(let why): failure = failure ?? why
                }
                missing -= 1
                guard missing == 0 else { return }
                completion(rules, found, failure.map { .failure($0) } ?? .success(limits.flatMap { $0 }))
            }
        }
    }

    /// Takes back what the event of `request` counted.
    ///
    /// - Parameters:
    ///   - request: names the event: action, entities and event id; its time, where callers give it.
    ///   - cost: how much of it at most; 0: all.
    ///   - amount: the same of the amount.
    ///   - deadline: when it is not worth sending any more.
    ///   - completion: is told whether it was counted and had not been taken back before.
    func undo(
        _ request: RequestView,
        cost: UInt64,
        amount: UInt64,
        deadline: NIODeadline = .distantFuture,
        _ completion: @escaping (Result<Bool, RedisFailure>) -> Void
    ) {
        let (keys, stripes) = rules.set.normalizing(request, scratch: &normalForm) { request in
            let stripes = stripesOfCounters(of: request)
            return (eventKeys(of: request), stripes)
        }
        dropRefusals(stripes)
        let numbers = [
            String(cost), String(amount),
            settings.clock == .request ? String(request.atMs ?? latestAtMs) : "",
            String(rules.file.eventMemoryMs), String(ttlSlackMs),
        ].map { Array($0.utf8) }
        undosWaiting += 1
        var missing = keys.count
        var (isUndone, failure): (Bool, RedisFailure?) = (false, nil)
        for keys in keys {
            evaluate(.undo, keys: keys, numbers, until: deadline) { [weak self] result in
                switch result {
                case .failure(let why): failure = failure ?? why
                case .success(let reply):
                    if reply.kind != .integer || reply.integer(at: 0) < -1 {
                        failure = failure ?? .malformed
                    } else if reply.integer(at: 0) < 0 {
                        failure = failure ?? .unreadable
                    } else if reply.integer(at: 0) == 1 {
                        isUndone = true
                    }
                }
                missing -= 1
                guard missing == 0 else { return }
                self?.undosWaiting -= 1
                // Again: other loops may have asked in between. Whatever the reply, it may have been done.
                self?.dropRefusals(stripes)
                if let failure { return completion(.failure(failure)) }
                self?.updateMetrics { if isUndone { $0.undos &+= 1 } else { $0.undosInVain &+= 1 } }
                completion(.success(isUndone))
            }
        }
    }

    /// Where the event of `request` is remembered, as a check and as a record: in one place, and in a cluster with each
    /// entity that it can have counted. `index` is filled.
    private func eventKeys(of request: RequestView) -> [[[UInt8]]] {
        let modes = [Mode.check, .record]
        let one = modes.map { mode in
            var key: [UInt8] = []
            EntityKeyWriter.writeEventKey(prefix: rules.keyPrefix, request, mode: mode, into: &key)
            return key
        }
        guard cluster != nil else { return [one] }
        let each = rules.set.tuples.indices.compactMap { tuple -> [[UInt8]]? in
            guard rules.set.tuples[tuple].dimensions.allSatisfy({ index.value($0, of: request) != nil }) else {
                return nil
            }
            let entity = entityKey(of: Int16(tuple), request, rules)
            return modes.map { EntityKeyWriter.eventKey(behind: entity, request, mode: $0) }
        }
        return each.contains(one) ? each : each + [one]
    }

    /// The hash of exactly the tuple that `request` names.
    func key(of request: RequestView) -> [UInt8] {
        rules.set.normalizing(request, scratch: &normalForm) { request in
            EntityKeyWriter.key(prefix: rules.keyPrefix, of: request)
        }
    }

    /// Runs a loaded script; its keys lie in one slot.
    func evaluate(
        _ script: LoadedScript, keys: [[UInt8]], _ arguments: [[UInt8]], until deadline: NIODeadline = .distantFuture,
        _ completion: @escaping (Result<Reply, RedisFailure>) -> Void
    ) {
        guard let queue = queue(of: keys[0]) else { return completion(.failure(.cluster)) }
        let command =
            [Array("EVALSHA".utf8), queue.link.digest(of: script), Array("\(keys.count)".utf8)] + keys + arguments
        perform(command, until: deadline, completion)
    }

    /// Sends a command behind all that was asked before it. It is a script with a key.
    func perform(
        _ command: [[UInt8]], until deadline: NIODeadline = .distantFuture,
        _ completion: @escaping (Result<Reply, RedisFailure>) -> Void
    ) {
        let key = command[3]
        guard let queue = queue(of: key) else { return completion(.failure(.cluster)) }
        let batch = queue.takeBatch()
        batch.set(command: command)
        batch.expires = deadline
        if cluster != nil { batch.slot = KeySlot.of(key) }
        enqueue(batch, on: queue, completion)
    }

    /// Who serves `key`.
    func queue(of key: UnsafeRawBufferPointer) -> RunQueue? {
        guard let cluster else { return queues.first }
        return cluster.queue(of: KeySlot.of(key))
    }

    private func queue(of key: [UInt8]) -> RunQueue? { key.withUnsafeBytes { queue(of: $0) } }

    private func enqueue(
        _ batch: Batch, on queue: RunQueue, _ completion: @escaping (Result<Reply, RedisFailure>) -> Void
    ) {
        guard queue.link.isConnected else {
            queue.recycle(batch)
            return completion(.failure(.disconnected))
        }
        sendAttempts()
        batch.completion = completion
        queue.enqueue(batch)
    }
}
