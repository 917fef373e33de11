import NIOCore

extension ServiceCore {
    /// One connection to Redis: another one, even of the same lane, may lead to a Redis that has lost writes.
    struct RedisSource: Hashable, Sendable {
        var lane: Int
        var connects: UInt64
    }

    struct RedisAnswer<Content: Sendable>: Sendable {
        var source: RedisSource
        var content: Content
    }

    /// Runs a command on the first lane that has a connection.
    ///
    /// - Parameters:
    ///   - patience: how long to wait; a command that is given up may run all the same.
    ///   - read: takes what is wanted out of the reply; nil: that it is none of this command.
    func ask<Content: Sendable>(
        _ command: [[UInt8]],
        patience: TimeAmount,
        read: @escaping @Sendable (Reply) -> Content?
    ) async -> Result<RedisAnswer<Content>, RedisFailure> {
        for (number, handle) in lanes.enumerated() {
            let asked: EventLoopFuture<Result<RedisAnswer<Content>, RedisFailure>> = handle.loop.flatSubmit {
                let done = handle.loop.makePromise(of: Result<RedisAnswer<Content>, RedisFailure>.self)
                let late = handle.loop.scheduleTask(in: patience) { done.succeed(.failure(.timeout)) }
                let decider = handle.lane.value.decider
                let source = RedisSource(lane: number, connects: decider.connects)
                decider.perform(command) { result in
                    late.cancel()
                    done.succeed(
                        result.flatMap { reply in
                            guard let content = read(reply) else { return .failure(.malformed) }
                            return .success(RedisAnswer(source: source, content: content))
                        })
                }
                return done.futureResult
            }
            guard let result = try? await asked.get() else { return .failure(.disconnected) }
            switch result {
            case .success: return result
            // Nothing was sent: another lane may have a connection.
            case .failure(.disconnected): continue
            case .failure: return result
            }
        }
        return .failure(.disconnected)
    }
}
