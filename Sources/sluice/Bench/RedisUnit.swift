import Foundation

/// U, the yardstick of the budgets: what one pipelined INCR on random keys costs Redis on this machine.
enum RedisUnit {
    private static let calls = 1_000_000

    /// Seconds of Redis CPU per INCR, measured on a Redis that does nothing else.
    ///
    /// - Returns: nil where there is no `redis-benchmark`, or it failed.
    static func measure(on redis: BenchService.Redis) -> Double? {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "redis-benchmark", "-s", redis.socket, "-c", "8", "-P", "32", "-r", "100000", "-n", "\(calls)", "-q",
            "incr", "key:__rand_int__",
        ]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        guard let before = ProcessCPU.seconds(of: redis.pid), (try? process.run()) != nil else { return nil }
        process.waitUntilExit()
        guard process.terminationStatus == 0, let after = ProcessCPU.seconds(of: redis.pid) else { return nil }
        return (after - before) / Double(calls)
    }
}
