import Foundation
import NIOCore
import SluiceClient
import SluiceWire
import Synchronization
import TestSupport
import Testing

/// The service itself is killed, starved, misled or crowded.
@Suite("Faults of the service and its clients", .serialized, .timeLimit(.minutes(4)))
struct ServiceRows {
    /// Calls with event ids of several callers, each made again elsewhere while it may have counted.
    private final class Retriers: Sendable {
        struct Tally {
            var admitted: [String: Set<String>] = [:]
            var given = 0
            var retried = 0
            var failed: [String] = []
            var byFallback = 0
        }

        let tally = Mutex(Tally())
        private let isEnding = Mutex(false)

        func end() { isEnding.withLock { $0 = true } }

        /// Asks until told to end. A call goes to the first client, and to the next when it has no answer by Redis.
        func ask(_ clients: [SluiceClient]) async {
            await withTaskGroup(of: Void.self) { group in
                for caller in 0..<6 {
                    group.addTask { [self] in
                        var number = 0
                        while !isEnding.withLock({ $0 }) {
                            number += 1
                            await one("h\(number / 70)", event: "\(caller)-\(number)", clients)
                            try? await Task.sleep(for: .milliseconds(5))
                        }
                    }
                }
            }
        }

        private func one(_ user: String, event: String, _ clients: [SluiceClient]) async {
            var request = WireCheckRequest(action: "hot", entities: [WireEntity("user", user)])
            request.eventID = Data(event.utf8)
            var last = ""
            for attempt in 0..<12 {
                let client = clients[min(attempt, 1) * (clients.count - 1)]
                do {
                    let answer = try await client.check(request, deadline: .seconds(1))
                    tally.withLock {
                        $0.given += 1
                        if attempt > 0 { $0.retried += 1 }
                        if answer.basis == .policy { $0.byFallback += 1 }
                        if answer.verdict == .allow { $0.admitted[user, default: []].insert(event) }
                    }
                    return
                } catch {
                    last = "\(error)"
                }
            }
            tally.withLock { $0.failed.append(last) }
        }
    }

    private func client(_ service: ServiceProcess) throws -> SluiceClient {
        SluiceClient(SluiceClient.Configuration(endpoint: try service.endpoint("data")))
    }

    @Test("Row 30: service SIGKILL under load")
    func row30() async throws {
        let redis = try RedisServer()
        let run = try await FaultRun.start(
            30, "service SIGKILL under load", expects: "clients retry elsewhere; nothing over",
            redis: "unix://\(redis.socket)")
        let doomed = try await ServiceProcess.start(limits: FaultRun.limits, redis: "unix://\(redis.socket)")
        // Attackers of their own, on the same Redis.
        try RedisConnection(socket: redis.socket).command("PING")
        let retriers = Retriers()
        let clients = [try client(doomed), try client(run.service)]
        try await run.load.pause()
        let before = try await run.service.stats()
        async let asking: Void = retriers.ask(clients)
        try await run.sleep(1)
        doomed.signal(SIGKILL)
        let killedMs = run.nowMs
        try await run.sleep(1.5)
        retriers.end()
        await asking
        for client in clients { await client.shutdown() }
        let tally = retriers.tally.withLock { $0 }
        run.expect(tally.failed.isEmpty, "\(tally.failed.count) calls never answered: \(tally.failed.first ?? "")")
        run.expect(tally.retried > 0, "nothing had to be tried again")
        let most = tally.admitted.mapValues(\.count)
        // The load's attackers have the same names: theirs count as well.
        for (user, count) in most {
            let others = run.load.history.of(entity: user).admitted.count
            run.expect(count + others <= FaultRun.max, "\(count + others) of \(FaultRun.max) admitted for \(user)")
        }
        run.note("\(tally.given) events, \(tally.retried) tried again, \(tally.byFallback) by fallback")
        let after = try await run.service.stats()
        let counted = Self.decisions(after) - Self.decisions(before)
        run.expect(counted >= tally.retried, "\(counted) decisions for \(tally.retried) retries")
        run.othersAsked = counted
        run.load.pace(perSecond: 200)
        try await run.recovers(from: killedMs + 1_500, within: 1)
        try await run.finish()
    }

    private static func decisions(_ stats: [String: Double]) -> Int {
        Int(stats.filter { $0.key.hasPrefix("sluice_decisions_total") }.values.reduce(0, +))
    }

    @Test("Row 31: descriptor exhaustion")
    func row31() async throws {
        let redis = try RedisServer()
        let run = try await FaultRun.start(
            31, "descriptor exhaustion", expects: "accepting pauses and resumes; admin still answers",
            redis: "unix://\(redis.socket)")
        run.losesCalls = false
        let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(run.service.processIdentifier)/fd")
        try Self.limitDescriptors(of: run.service, to: open.count + 40)
        let port = try run.service.port()
        var crowd: [RawSocket] = []
        for _ in 0..<150 {
            guard let one = try? RawSocket(port: port) else { break }
            one.send(Preface.bytes, waits: false)
            crowd.append(one)
        }
        let startMs = run.nowMs
        try await run.sleep(1.5)
        let during = run.load.history.between(startMs, run.nowMs)
        run.expect(during.fallbacks.count <= 2, "\(during.fallbacks.count) of \(during.count) fell back")
        do {
            _ = try await run.service.stats()
        } catch {
            run.expect(false, "the admin listener does not answer: \(error)")
        }
        let usage = try Self.cpuSeconds(run.service)
        try await run.sleep(1)
        let spent = try Self.cpuSeconds(run.service) - usage
        run.expect(spent < 0.7, "\(spent) s of CPU in a second: accepting in a loop")
        crowd = []
        let freedMs = run.nowMs
        var took: Double?
        for _ in 0..<60 where took == nil {
            if let answer = try? await run.service.withClient(
                deadline: .milliseconds(200),
                { try await $0.check(WireCheckRequest(action: "bulk", entities: [WireEntity("user", "late")])) }),
                answer.basis == .redis
            {
                run.othersAsked += 1
                took = run.nowMs - freedMs
            }
        }
        run.expect((took ?? .infinity) < 3_000, "new connections are not taken \(took ?? -1) ms after")
        run.note("accepts again after \(Int(took ?? -1)) ms")
        try await run.recovers(from: freedMs, within: 1)
        try await run.finish()
    }

    private static func limitDescriptors(of service: ServiceProcess, to count: Int) throws {
        let command = Process()
        command.executableURL = URL(fileURLWithPath: "/usr/bin/prlimit")
        command.arguments = ["--pid", "\(service.processIdentifier)", "--nofile=\(count):\(count)"]
        try command.run()
        command.waitUntilExit()
    }

    /// User and system time so far.
    private static func cpuSeconds(_ service: ServiceProcess) throws -> Double {
        let stat = try String(contentsOfFile: "/proc/\(service.processIdentifier)/stat", encoding: .utf8)
        let fields = stat.split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12 else { return 0 }
        return (Double(fields[11]) ?? 0) / 100 + (Double(fields[12]) ?? 0) / 100
    }

    @Test("Row 32: broken, truncated, flapping limits file while Redis restarts")
    func row32() async throws {
        let redis = try RedisServer(["--appendonly", "yes"])
        // Even generations admit everybody, odd ones nobody; without Redis the rule says the same.
        func limits(_ round: Int) -> String {
            let (max, policy) = round.isMultiple(of: 2) ? (1_000_000, "allow") : (0, "deny")
            return FaultRun.limits
                + "  - { name: flip, check: flip, per: [user], on_redis_failure: \(policy), "
                + "limits: [ { max: \(max), window: 1h } ] }\n"
        }
        let run = try await FaultRun.start(
            32, "broken, truncated, flapping limits file during 17-19",
            expects: "last good rules; one generation per decision", redis: "unix://\(redis.socket)",
            settings: "reload: { spread: 0s }\n", limits: limits(0)
        ) { number in
            guard number % 4 == 3 else { return FaultRun.request(number) }
            return WireCheckRequest(action: "flip", entities: [WireEntity("user", "f\(number % 3)")])
        }
        for round in 1...10 {
            switch round {
            case 3: redis.stop()
            case 5: try redis.restart()
            case 7: redis.freeze()
            case 8: redis.resume()
            default: break
            }
            try run.service.write(limits: "version: 1\nrules:\n  - { name: flip, chck: flip }\n")
            try await run.sleep(0.7)
            try run.service.write(limits: String(limits(round).prefix(90)))
            try await run.sleep(0.2)
            try run.service.write(limits: limits(round))
            try await run.sleep(0.4)
        }
        try await run.recovers(from: run.nowMs, within: 1)
        var verdicts: [UInt64: Set<Int>] = [:]
        for call in run.load.history.of("flip").calls {
            guard case .decided(let verdict, _, let generation, _) = call.outcome else { continue }
            verdicts[generation, default: []].insert(verdict.rawValue)
        }
        let mixed = verdicts.filter { $0.value.count > 1 }.keys.sorted()
        run.expect(mixed.isEmpty, "generations \(mixed) gave both verdicts")
        run.expect(verdicts.count >= 4, "\(verdicts.count) generations in 10 edits")
        run.note("\(verdicts.count) generations")
        let stats = try await run.service.stats()
        run.expect((stats["sluice_reloads_total{outcome=\"bad_file\"}"] ?? 0) > 0, "no bad file was noticed")
        try await run.finish()
    }

    @Test("Row 33: rolling restart under load")
    func row33() async throws {
        let redis = try RedisServer()
        let run = try await FaultRun.start(
            33, "rolling restart under load", expects: "GOAWAY, no failed call for a client that follows it",
            redis: "unix://\(redis.socket)")
        try await run.load.pause()
        func start(_ place: Int) async throws -> ServiceProcess {
            try await ServiceProcess.start(
                limits: FaultRun.limits, redis: "unix://\(redis.socket)",
                ["--listen", "unix:\(redis.folder)/data\(place).sock"])
        }
        var services: [ServiceProcess] = []
        for place in 0..<3 { services.append(try await start(place)) }
        let retriers = Retriers()
        let clients = try services.map(client)
        async let asking: Void = withTaskGroup(of: Void.self) { group in
            for client in clients { group.addTask { await retriers.ask([client]) } }
        }
        for place in 0..<3 {
            try await run.sleep(0.3)
            let old = services[place]
            old.signal(SIGTERM)
            services[place] = try await start(place)
            let status = await old.exitStatus()
            run.expect(status == 0, "instance \(place) ended with \(status.map(String.init) ?? "nothing")")
        }
        try await run.sleep(0.5)
        retriers.end()
        await asking
        for client in clients { await client.shutdown() }
        let tally = retriers.tally.withLock { $0 }
        run.expect(tally.failed.isEmpty, "\(tally.failed.count) calls failed: \(tally.failed.first ?? "")")
        run.expect(tally.retried == 0, "\(tally.retried) calls failed and were made again")
        run.expect(tally.byFallback * 50 <= tally.given, "\(tally.byFallback) of \(tally.given) by fallback")
        run.note("\(tally.given) calls over 3 restarts")
        run.load.pace(perSecond: 200)
        try await run.recovers(from: run.nowMs, within: 1)
        try await run.finish()
    }
}
