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
            let batch = takeBatch()
            batch.addInspection(request, index, meets: found)
            enqueue(batch) { result in
                completion(rules, found, result.flatMap { RunReply.readInspection($0) })
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
        var keys: [[UInt8]] = []
        let stripes = rules.set.normalizing(request, scratch: &normalForm) { request in
            for mode in [Mode.check, .record] {
                var key: [UInt8] = []
                EntityKeyWriter.writeEventKey(prefix: rules.keyPrefix, request, mode: mode, into: &key)
                keys.append(key)
            }
            return stripesOfCounters(of: request)
        }
        dropRefusals(stripes)
        let numbers = [
            String(cost), String(amount),
            settings.clock == .request ? String(request.atMs ?? latestAtMs) : "",
            String(rules.file.eventMemoryMs), String(ttlSlackMs),
        ]
        let command =
            [Array("EVALSHA".utf8), link.digest(of: .undo), Array("2".utf8)] + keys + numbers.map { Array($0.utf8) }
        undosWaiting += 1
        perform(command, until: deadline) { [weak self] result in
            self?.undosWaiting -= 1
            // Again: other loops may have asked in between. Whatever the reply, it may have been done.
            self?.dropRefusals(stripes)
            completion(
                result.flatMap { reply in
                    guard reply.kind == .integer, reply.integer(at: 0) >= -1 else { return .failure(.malformed) }
                    guard reply.integer(at: 0) >= 0 else { return .failure(.unreadable) }
                    let isUndone = reply.integer(at: 0) == 1
                    self?.updateMetrics { if isUndone { $0.undos &+= 1 } else { $0.undosInVain &+= 1 } }
                    return .success(isUndone)
                }
            )
        }
    }

    /// The hash of exactly the tuple that `request` names.
    func key(of request: RequestView) -> [UInt8] {
        rules.set.normalizing(request, scratch: &normalForm) { request in
            EntityKeyWriter.key(prefix: rules.keyPrefix, of: request)
        }
    }

    /// Sends a command behind all that was asked before it.
    func perform(
        _ command: [[UInt8]], until deadline: NIODeadline = .distantFuture,
        _ completion: @escaping (Result<Reply, RedisFailure>) -> Void
    ) {
        let batch = takeBatch()
        batch.set(command: command)
        batch.expires = deadline
        enqueue(batch, completion)
    }

    private func enqueue(_ batch: Batch, _ completion: @escaping (Result<Reply, RedisFailure>) -> Void) {
        guard link.isConnected else {
            recycle(batch)
            return completion(.failure(.disconnected))
        }
        sendAttempts()
        if !open.isEmpty {
            sealed.append(open)
            open = takeBatch()
        }
        batch.completion = completion
        sealed.append(batch)
        scheduleTurn()
    }
}
