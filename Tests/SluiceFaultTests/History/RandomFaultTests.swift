import Foundation
import SluiceModel
import SluiceReference
import SluiceWire
import TestSupport
import Testing

/// Faults at random, up to three at once, and then the whole history: every run that Redis executed, in its order, is
/// replayed in the reference model. `SLUICE_FAULT_SECONDS` says how long, `SLUICE_TEST_SEED` which faults.
@Suite("A random schedule of faults", .serialized, .timeLimit(.minutes(20)))
struct RandomFaultTests {
    private static let rule = Rule(
        name: "hot", check: [Pattern("hot")], per: ["user"],
        limits: [Limit(max: 20, windowMs: 3_000, verdict: .deny, text: "20 per 3s")])
    private static let limits = """
        version: 1
        rules:
          - { name: hot, check: hot, per: [user], on_redis_failure: deny, limits: [ { max: 20, window: 3s } ] }

        """

    /// Eight entities; every second request is an event, and each event is asked for twice.
    @Sendable private static func request(_ number: Int) -> WireCheckRequest {
        let isEvent = !number.isMultiple(of: 2)
        let user = isEvent ? number / 4 % 8 : number / 2 % 8
        var request = WireCheckRequest(action: "hot", entities: [WireEntity("user", "r\(user)")])
        if isEvent { request.eventID = Data("e\(number / 4)".utf8) }
        return request
    }

    private static func start(
        _ redis: RedisServer, _ proxy: ChaosProxy, _ rewrite: @escaping @Sendable ([UInt8]) -> [UInt8]
    ) async throws -> FaultRun {
        proxy.rewriteScripts(rewrite)
        let run = try await FaultRun.start(
            36, "one to three faults at random", expects: "every admission as the model says, in the order of Redis",
            redis: proxy.url, limits: limits, traffic: request)
        run.keepsCounts = false
        return run
    }

    /// What the log shows that must not be; empty: nothing.
    private static func problems(_ log: RunLog, _ history: History) -> [String] {
        var found = log.disagreements(with: rule)
        let most = log.most(within: 3_000)
        if most > 20 { found.append("\(most) of 20 admitted within a window") }
        for user in history.entities.sorted() {
            let calls = history.of(entity: user)
            let items = log.items.filter { $0.key.hasSuffix("{user=\(user)}") }
            // What is asked once is run once at most: nothing of unknown outcome is sent again.
            let (runs, asked) = (items.count, calls.count)
            if runs > asked { found.append("\(runs) runs for \(asked) calls of \(user)") }
            let admitted = items.count { $0.verdict == 0 && !$0.isRepeat }
            if admitted < calls.admitted.count {
                found.append("\(calls.admitted.count) told that they pass, \(admitted) did, of \(user)")
            }
        }
        return found
    }

    @Test("Random faults: the history of every entity is the model's")
    func history() async throws {
        var random = SeededGenerator.announced("RandomFaults")
        let redis = try RedisServer(["--appendonly", "yes", "--appendfsync", "everysec"])
        let proxy = try ChaosProxy(to: .unix(path: redis.socket), seed: random.next())
        let run = try await Self.start(redis, proxy) { LoggedScript.logging($0) }
        let given = ProcessInfo.processInfo.environment["SLUICE_FAULT_SECONDS"].flatMap { Double($0) }
        let endMs = run.nowMs + (given ?? 60) * 1_000
        var played = 0
        while run.nowMs < endMs {
            try await Self.playSome(redis, proxy, &random, &played)
            let healedMs = run.nowMs
            try await run.recovers(from: healedMs, within: 5)
            try await run.sleep(Double.random(in: 0...0.6, using: &random))
        }
        try await run.load.pause()
        run.note("\(played) faults, seed \(random.seed)")
        let log = try RunLog(redis)
        run.note("\(log.runs.count) runs replayed")
        run.expect(log.items.count > 100, "\(log.items.count) requests in the log")
        for problem in Self.problems(log, run.load.history) { run.expect(false, problem) }
        try await run.finish(over: .max / 2)
    }

    /// One to three faults, overlapping; all are over when this returns.
    private static func playSome(
        _ redis: RedisServer, _ proxy: ChaosProxy, _ random: inout SeededGenerator, _ played: inout Int
    ) async throws {
        var faults: [RandomFault] = []
        for fault in RandomFault.allCases.shuffled(using: &random).prefix(Int.random(in: 1...3, using: &random)) {
            if fault.group == 0, faults.contains(where: { $0.group == 0 }) { continue }
            faults.append(fault)
        }
        // What needs Redis to listen comes before what stops it, and ends after.
        faults.sort { $0.group > $1.group }
        for fault in faults {
            try fault.begin(redis, proxy, &random)
            played += 1
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...200, using: &random)))
        }
        let shortest = faults.map(\.lastsMs).min { $0.upperBound < $1.upperBound } ?? 0...1
        try await Task.sleep(for: .milliseconds(Int.random(in: shortest, using: &random)))
        for fault in faults.reversed() { try fault.end(redis) }
        proxy.heal()
    }

    /// What a script does wrong, which the history must show.
    enum Mutant: CaseIterable, CustomTestStringConvertible {
        case admitsOneTooMany
        case forgetsEvents

        var testDescription: String {
            switch self {
            case .admitsOneTooMany: "admits one too many"
            case .forgetsEvents: "forgets events"
            }
        }

        func rewrite(_ source: [UInt8]) -> [UInt8] {
            switch self {
            case .admitsOneTooMany:
                let limit = "ofLimits[l], ofLimits[l + 1], ofLimits[l + 2], ofLimits[l + 3] = V[i], V[i + 1],"
                let more = String(decoding: source, as: UTF8.self).replacing(limit, with: "\(limit.dropLast()) + 1,")
                return LoggedScript.logging(Array(more.utf8))
            case .forgetsEvents:
                return LoggedScript.logging(
                    source, and: "for _, key in ipairs(KEYS) do if key:find('}:') then redis.call('DEL', key) end end")
            }
        }
    }

    @Test("A script that admits too much or counts twice is found out", arguments: Mutant.allCases)
    func mutants(_ mutant: Mutant) async throws {
        let redis = try RedisServer()
        let proxy = try ChaosProxy(to: .unix(path: redis.socket))
        proxy.rewriteScripts { mutant.rewrite($0) }
        let service = try await ServiceProcess.start(limits: Self.limits, redis: proxy.url, ["--threads", "1"])
        try await FaultRun.until("Redis is connected", seconds: 10) {
            try await service.stats()["sluice_redis_connected"] == 1
        }
        let load = FaultLoad(at: try service.endpoint("data"), Self.request)
        try await Task.sleep(for: .seconds(2))
        try await load.pause()
        let problems = Self.problems(try RunLog(redis), load.history)
        #expect(!problems.isEmpty)
        try await load.stop()
    }
}
