import Foundation
import Synchronization
import TestSupport

/// A command that keeps Redis busy for long, sent from a thread of its own.
final class SlowCommand: Sendable {
    private let isDone = Mutex(false)

    init(_ redis: RedisServer, _ words: String...) {
        let socket = redis.socket
        let thread = Thread { [self] in
            let connection = try? RedisConnection(socket: socket)
            _ = try? connection?.command(words.map { Array($0.utf8) })
            isDone.withLock { $0 = true }
        }
        thread.start()
    }

    /// A script of somebody else's that runs until it is killed.
    static func busyScript(_ redis: RedisServer) -> SlowCommand {
        SlowCommand(redis, "EVAL", "while true do end", "0")
    }

    func killScript(_ redis: RedisServer) async throws {
        try RedisConnection(socket: redis.socket).command("SCRIPT", "KILL")
        try await end()
    }

    /// Waits for its end.
    func end() async throws {
        try await FaultRun.until("the end of a slow command", seconds: 30) { isDone.withLock { $0 } }
    }
}
