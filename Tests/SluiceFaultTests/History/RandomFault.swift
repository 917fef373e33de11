import TestSupport

/// A fault of the random schedule: how it begins, how long it lasts, how it ends. None loses what Redis has counted.
enum RandomFault: CaseIterable {
    case slow, jitter, freeze, shortFreeze, kill, flush, dropReply, dropRequest, resetInReply, corrupt, oneByteAtATime
    case glue, blackHole, refuse, pause, outOfMemory, noPermission, oneWay, reset

    /// One without the other: both stop the process.
    var group: Int { [.freeze, .shortFreeze, .kill].contains(self) ? 0 : 1 }

    func begin(_ redis: RedisServer, _ proxy: ChaosProxy, _ random: inout SeededGenerator) throws {
        switch self {
        case .slow: proxy.toClients { $0.delayMs = 30 }
        case .jitter: proxy.toRedis { $0.jitterMs = 60 }
        case .freeze, .shortFreeze: redis.freeze()
        case .kill: redis.stop()
        case .flush: try tell(redis, "SCRIPT", "FLUSH")
        case .dropReply: proxy.trap(.dropReply)
        case .dropRequest: proxy.trap(.dropRequest)
        case .resetInReply: proxy.trap(.resetInReply)
        case .corrupt: proxy.trap(.corruptReply(ProxyTrap.ReplyByte.allCases.randomElement(using: &random)!))
        case .oneByteAtATime: proxy.toClients { $0.largestWrite = 1 }
        case .glue: proxy.toClients { $0.glueMs = 15 }
        case .blackHole: proxy.swallowOpen()
        case .refuse: proxy.refuseConnections()
        case .pause: try tell(redis, "CLIENT", "PAUSE", "300", "ALL")
        case .outOfMemory: try tell(redis, "CONFIG", "SET", "maxmemory", "1")
        case .noPermission: try tell(redis, "ACL", "SETUSER", "default", "-evalsha")
        case .oneWay: proxy.toClients { $0.isFrozen = true }
        case .reset: proxy.resetOpen()
        }
    }

    var lastsMs: ClosedRange<Int> { self == .shortFreeze ? 20...80 : 150...1_200 }

    /// Faults of the proxy end together, when it is healed.
    func end(_ redis: RedisServer) throws {
        switch self {
        case .freeze, .shortFreeze: redis.resume()
        case .kill: try redis.restart()
        case .outOfMemory: try tell(redis, "CONFIG", "SET", "maxmemory", "0")
        case .noPermission: try tell(redis, "ACL", "SETUSER", "default", "+evalsha")
        case .slow, .jitter, .flush, .dropReply, .dropRequest, .resetInReply, .corrupt, .oneByteAtATime, .glue,
            .blackHole, .refuse, .pause, .oneWay, .reset:
            break
        }
    }

    /// A Redis that stands still or is gone is told nothing.
    private func tell(_ redis: RedisServer, _ words: String...) throws {
        guard redis.answers else { return }
        _ = try? RedisConnection(socket: redis.socket, timeoutMs: 1_000).command(words.map { Array($0.utf8) })
    }
}
