import NIOCore

/// What Redis holds for an entity with three small limits after five hits.
enum EntityMemory {
    private static let entities = 1_000
    private static let hits = 5

    /// The mean over a thousand of them, in bytes, as `MEMORY USAGE` has it.
    static func measure(on service: BenchService, from loops: any EventLoopGroup) async throws -> Double {
        for _ in 0..<hits {
            try await Playing.once(.threeLimits, 0..<entities, at: service.target, from: loops)
            // The next hit is at another millisecond.
            try await Task.sleep(for: .milliseconds(2))
        }
        let console = RedisConsole(redis: service.redis)
        let prefix = "sluice1:{user=\(StandardWork.Kind.threeLimits.userPrefix)"
        let questions = (0..<entities).map { number in
            let digits = String(repeating: "0", count: StandardWork.digits - "\(number)".count) + "\(number)"
            return "MEMORY USAGE \(prefix)\(digits)} SAMPLES 0"
        }
        let bytes = try console.ask(questions).split(whereSeparator: \.isNewline).map { Int($0) }
        guard bytes.count == entities, !bytes.contains(nil) else {
            throw Failure(.internalFailure, "not every entity that was hit is in Redis")
        }
        return Double(bytes.compactMap(\.self).reduce(0, +)) / Double(entities)
    }
}
