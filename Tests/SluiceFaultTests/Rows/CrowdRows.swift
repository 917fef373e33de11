import Foundation
import NIOCore
import SluiceClient
import SluiceWire
import TestSupport
import Testing

/// Clients that are many, slow or greedy, and entities that are many.
@Suite("Crowds", .serialized, .timeLimit(.minutes(5)))
struct CrowdRows {
    /// Frames of checks, one after the other.
    private static func frames(_ count: Int) throws -> [UInt8] {
        var bytes = ByteBuffer()
        for stream in 1...count {
            let request = WireCheckRequest(action: "bulk", entities: [WireEntity("user", "greedy")])
            let header = FrameHeader(kind: .request, method: .check, stream: UInt32(stream), micros: 50_000)
            try bytes.writeFrame(header, message: request)
        }
        return Array(buffer: bytes)
    }

    @Test("Row 34: thousands of connections that dribble, a client that never reads, one at 20 times its share")
    func row34() async throws {
        let redis = try RedisServer()
        let count = 5_000
        let run = try await FaultRun.start(
            34, "5,000 connections that dribble bytes; a client that never reads; one client at 20 times its share",
            expects: "others' latency and memory unharmed", redis: "unix://\(redis.socket)",
            settings: "bounds: { in_flight_per_connection: 256 }\n")
        run.losesCalls = false
        let port = try run.service.port()
        let healthy = run.load.history
        // Each says a byte of the preface now and then.
        var crowd: [RawSocket] = []
        for _ in 0..<count {
            guard let one = try? RawSocket(port: port) else { break }
            crowd.append(one)
        }
        run.note("\(crowd.count) connections dribbled")
        let startMs = run.nowMs
        for byte in Preface.bytes.prefix(4) {
            for one in crowd { one.send([byte], waits: false) }
            try await run.sleep(0.3)
        }
        // One asks and never reads.
        var deaf: RawSocket? = try RawSocket(port: port, receiveBuffer: 4_096)
        deaf?.send(Preface.bytes, waits: false)
        let frames = try Self.frames(200)
        var swallowed = 0
        for _ in 0..<300 {
            let sent = deaf?.send(frames, waits: false) ?? -1
            swallowed += max(0, sent)
            // Half a frame would end it for another reason.
            if sent != frames.count { break }
            try await run.sleep(0.002)
        }
        run.note("a deaf client got rid of \(swallowed >> 10) KiB")
        // One asks for far more than the others.
        let greedy = FaultLoad(at: try run.service.endpoint("data"), perSecond: 2_000) { _ in
            WireCheckRequest(action: "bulk", entities: [WireEntity("user", "greedy")])
        }
        let greedyMs = run.nowMs
        try await run.sleep(2)
        try await greedy.pause()
        let asked = greedy.history
        try await greedy.stop()
        let crowded = run.load.history.between(startMs, greedyMs)
        let pressed = run.load.history.between(greedyMs, run.nowMs)
        run.note(
            "p99 \(Int(healthy.percentileMs(0.99))) ms alone, \(Int(crowded.percentileMs(0.99))) in the crowd, "
                + "\(Int(pressed.percentileMs(0.99))) beside the greedy one")
        run.expect(
            pressed.fallbacks.count * 10 <= pressed.count, "\(pressed.fallbacks.count) of \(pressed.count) fell back")
        run.expect(asked.calls.allSatisfy { !$0.isLate }, "calls of the greedy one past their deadline")
        crowd = []
        try await run.sleep(0.5)
        run.losesCalls = true
        try await run.recovers(from: run.nowMs, within: 1)
        run.expect(run.load.history.calls.allSatisfy { $0.outcome != .lost }, "a well-behaved client was cut")
        deaf = nil
        // Of five thousand connections, and not given back by the allocator.
        run.mayGrowBytes = 160 << 20
        try await run.finish()
    }

    @Test("Row 35: very many entities")
    func row35() async throws {
        let asked = ProcessInfo.processInfo.environment["SLUICE_FAULT_ENTITIES"].flatMap { Int($0) }
        let count = asked ?? 1_000_000
        let redis = try RedisServer()
        let limits = """
            version: 1
            rules:
              - { name: bulk, check: bulk, per: [user], limits: [ { max: 1_000_000, window: 1h } ] }
              - { name: hot, check: hot, per: [user], on_redis_failure: deny, limits: [ { max: 40, window: 1h } ] }
              - name: fake
                check: fake
                per: [user]
                limits: [ { max: 10, window: 1m }, { max: 50, window: 10m }, { max: 100, window: 1h } ]

            """
        let run = try await FaultRun.start(
            35, "a million fake entities", expects: "memory per entity as budgeted, every key with its TTL",
            redis: "unix://\(redis.socket)", settings: "deadline: { default: 5s, max: 5s }\n", limits: limits,
            perSecond: 50, deadlineMs: 1_000)
        let look = try RedisConnection(socket: redis.socket)
        let before = try Self.memory(look)
        let startMs = run.nowMs
        var refused = 0
        let step = 256
        try await run.service.withClient(deadline: .seconds(10)) { client in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for begin in stride(from: 0, to: count, by: step) {
                    if begin >= 4 * step { refused += try await group.next() ?? 0 }
                    group.addTask {
                        let requests = (begin..<min(begin + step, count)).map {
                            WireCheckRequest(action: "fake", entities: [WireEntity("user", "fake-\($0)")])
                        }
                        let answers = try await client.checkBatch(requests, deadline: .seconds(10))
                        return answers.count { $0.basis != .redis || $0.verdict != .allow }
                    }
                }
                for try await more in group { refused += more }
            }
        }
        run.othersAsked = count
        run.expect(refused == 0, "\(refused) of \(count) not admitted by Redis")
        run.note("\(count) entities in \(Int(run.nowMs - startMs) / 1_000) s")
        let perEntity = Double(try Self.memory(look) - before) / Double(count)
        run.expect(perEntity <= 300, "\(Int(perEntity)) bytes per entity")
        run.note("\(Int(perEntity)) bytes per entity")
        let (keys, without) = try Self.keysWithoutExpiry(look)
        run.expect(keys >= count, "\(keys) keys")
        run.expect(without == 0, "\(without) keys without a TTL")
        try await run.finish()
    }

    private static func memory(_ look: RedisConnection) throws -> Int {
        let line = try look.command("INFO", "memory").string.split(separator: "\r\n")
            .first { $0.hasPrefix("used_memory_dataset:") }
        return line.flatMap { Int($0.dropFirst("used_memory_dataset:".count)) } ?? 0
    }

    /// Counter keys, and those of them that never go.
    private static func keysWithoutExpiry(_ look: RedisConnection) throws -> (keys: Int, without: Int) {
        let script = """
            local page = redis.call('SCAN', ARGV[1], 'COUNT', 5000)
            local keys, without = 0, 0
            for _, key in ipairs(page[2]) do
              if string.sub(key, 1, 9) == 'sluice1:{' and string.find(key, 'user=', 1, true) then
                keys = keys + 1
                if redis.call('PTTL', key) < 0 then without = without + 1 end
              end
            end
            return {page[1], keys, without}
            """
        var (keys, without, cursor) = (0, 0, "0")
        repeat {
            let page = try look.command("EVAL", script, "0", cursor).elements
            guard page.count == 3 else { throw FaultRun.Late(description: "no page of keys") }
            cursor = page[0].string
            keys += page[1].number
            without += page[2].number
        } while cursor != "0"
        return (keys, without)
    }
}
