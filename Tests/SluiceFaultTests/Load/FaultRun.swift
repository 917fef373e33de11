import Foundation
import SluiceClient
import SluiceWire
import TestSupport
import Testing

/// One row of the matrix: a service under load while something breaks, and a referee who holds it to what must be true
/// in every row.
///
/// Half of the load asks for entities with room to spare; the other half are attackers, one after the other, each with a
/// small limit over an hour and more requests than that. Attackers are refused where Redis does not decide, the others
/// admitted. After the fault all attackers come back for what they may have been left with.
final class FaultRun {
    /// Of each attacker.
    static let max = 40
    /// Requests of an attacker before the next one comes.
    static let perAttacker = 60
    static let limits = """
        version: 1
        rules:
          - { name: bulk, check: bulk, per: [user], limits: [ { max: 1_000_000, window: 1h } ] }
          - { name: hot, check: hot, per: [user], on_redis_failure: deny, limits: [ { max: \(max), window: 1h } ] }

        """

    let number: Int
    let fault: String
    let expected: String
    let service: ServiceProcess
    let load: FaultLoad
    private(set) var problems: [String] = []
    private(set) var notes: [String] = []
    private var recovery: Double?
    private let before: [String: Double]
    private let residentBefore: Int
    /// Decisions of the service that others than the load asked for.
    var othersAsked = 0
    /// What its memory may grow by.
    var mayGrowBytes = 64 << 20
    /// Calls may get lost: the row breaks the clients' connections.
    var losesCalls = false
    /// The Redis behind may be lost with its counts.
    var keepsCounts = true

    private init(
        _ number: Int, _ fault: String, _ expected: String, _ service: ServiceProcess, _ load: FaultLoad,
        _ before: [String: Double]
    ) {
        (self.number, self.fault, self.expected) = (number, fault, expected)
        (self.service, self.load, self.before) = (service, load, before)
        residentBefore = service.residentBytes
    }

    static func request(_ number: Int) -> WireCheckRequest {
        let user = number.isMultiple(of: 2) ? "u\(number / 2 % 20)" : "h\(number / 2 / perAttacker)"
        return WireCheckRequest(
            action: number.isMultiple(of: 2) ? "bulk" : "hot", entities: [WireEntity("user", user)])
    }

    /// Starts a service and the load on it.
    ///
    /// - Parameters:
    ///   - number: of the row.
    ///   - redis: a URL, as the service is given it.
    ///   - deadlineMs: of the load's calls.
    ///   - isUp: whether Redis is expected to decide from the start.
    static func start(
        _ number: Int, _ fault: String, expects expected: String, redis: String?, settings: String = "",
        limits: String = FaultRun.limits, arguments: [String] = [], perSecond: Double = 200, deadlineMs: Double = 50,
        isUp: Bool = true, traffic: @escaping @Sendable (Int) -> WireCheckRequest = FaultRun.request
    ) async throws -> FaultRun {
        let service = try await ServiceProcess.start(
            limits: limits, redis: redis, settings: settings, ["--threads", "1"] + arguments)
        if isUp {
            try await until("Redis is connected", seconds: 10) {
                try await service.stats()["sluice_redis_connected"] == 1
            }
        }
        let before = try await service.stats()
        let load = FaultLoad(
            at: try service.endpoint("data"), perSecond: perSecond, deadlineMs: deadlineMs, traffic)
        let run = FaultRun(number, fault, expected, service, load, before)
        if isUp {
            try await until("a healthy start", seconds: 10) { load.history.recoveryMs(after: 0, inARow: 40) != nil }
        }
        return run
    }

    // MARK: - Telling

    func note(_ text: String) { notes.append(text) }

    /// Says what is wrong and goes on, so that the table tells all of it.
    func expect(
        _ isTrue: Bool, _ text: @autoclosure () -> String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        guard !isTrue else { return }
        problems.append(text())
        Issue.record("row \(number): \(text())", sourceLocation: sourceLocation)
    }

    struct Late: Error, CustomStringConvertible {
        let description: String
    }

    static func until(
        _ what: String, seconds: Double, _ condition: () async throws -> Bool
    ) async throws {
        let end = FaultLoad.nowMs() + seconds * 1_000
        while try await !condition() {
            guard FaultLoad.nowMs() < end else { throw Late(description: "not within \(seconds) s: \(what)") }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    func sleep(_ seconds: Double) async throws { try await Task.sleep(for: .milliseconds(Int(seconds * 1_000))) }
    var nowMs: Double { FaultLoad.nowMs() }

    /// Makes one call at once, over the load's connection, and waits for what becomes of it.
    func ask(_ request: WireCheckRequest) async throws -> LoadCall {
        let asked = load.history.count
        load.ask([request])
        for _ in 0..<1_000 {
            let calls = load.history.calls.dropFirst(asked)
            if let call = calls.first(where: { $0.request == request && $0.outcome != .waiting }) { return call }
            try await Task.sleep(for: .milliseconds(2))
        }
        throw Late(description: "a call was never answered")
    }

    // MARK: - Recovering

    /// Waits until Redis decides again, and holds the time it took since `healedMs` against the row's.
    func recovers(
        from healedMs: Double, within seconds: Double, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let patience = healedMs + seconds * 1_000 + 6_000
        var took: Double?
        while took == nil, nowMs < patience {
            try await Task.sleep(for: .milliseconds(20))
            took = load.history.recoveryMs(after: healedMs)
        }
        recovery = took
        expect(
            (took ?? .infinity) <= seconds * 1_000 + History.slackMs,
            took.map { "recovered after \(Int($0)) ms, not within \(seconds) s" } ?? "did not recover",
            sourceLocation: sourceLocation)
    }

    // MARK: - Refereeing

    /// Ends the load and holds everything that must be true in every row.
    ///
    /// - Parameters:
    ///   - over: most that Redis may have admitted of one attacker beyond its limit.
    ///   - recovers: whether Redis is expected to decide at the end.
    func finish(
        over: Int = 0, endsWithRedis: Bool = true, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let attackers = load.history.of("hot").entities.sorted { $0.count == $1.count ? $0 < $1 : $0.count < $1.count }
        load.pace(perSecond: 0)
        if endsWithRedis {
            for attacker in attackers.suffix(12) {
                let again = WireCheckRequest(action: "hot", entities: [WireEntity("user", attacker)])
                load.ask(Array(repeating: again, count: Self.max + 5))
                try await Task.sleep(for: .milliseconds(40))
            }
        }
        try await load.pause()
        let history = load.history
        judge(history, over: over, attackers: attackers, sourceLocation)
        expect(service.isRunning, "the service died: \(service.log.suffix(400))", sourceLocation: sourceLocation)
        if service.isRunning { try await account(history, sourceLocation) }
        if endsWithRedis, keepsCounts, service.isRunning { try await compareUsed(history, sourceLocation) }
        try await load.stop()
        tell(history)
    }

    private func judge(
        _ history: History, over: Int, attackers: [String], _ sourceLocation: SourceLocation
    ) {
        let lost = history.calls.count { $0.outcome == .lost }
        expect(lost == 0 || losesCalls, "\(lost) calls lost their connection", sourceLocation: sourceLocation)
        let late = history.calls.filter { $0.outcome != .lost && $0.isLate }
        expect(
            late.isEmpty, "\(late.count) of \(history.count) calls past their deadline or never answered",
            sourceLocation: sourceLocation)
        let strange = history.calls.compactMap { call -> WireStatus? in
            guard case .refused(let status) = call.outcome, status != .resourceExhausted, status != .unavailable
            else { return nil }
            return status
        }
        expect(strange.isEmpty, "statuses \(Set(strange.map(\.name)))", sourceLocation: sourceLocation)
        let most = history.most(of: "hot")
        expect(
            most.admitted <= Self.max + over,
            "\(most.admitted) of \(Self.max) admitted for one attacker, \(over) beyond allowed",
            sourceLocation: sourceLocation)
        note("\(history.count) calls, \(history.fallbacks.count) by fallback, \(history.refused.count) refused")
        if over < .max / 2 { note("most admitted \(most.admitted) of \(Self.max)") }
        // The rule decides: attackers are refused, the others admitted.
        let wrong = history.calls.count {
            $0.basis == .policy
                && ($0.action == "bulk" && $0.verdict != .allow
                    || ["hot", "pair"].contains($0.action) && $0.verdict != .deny)
        }
        expect(wrong == 0, "\(wrong) fallbacks not as their rule says", sourceLocation: sourceLocation)
    }

    /// Everything that was asked is in the metrics, nothing waits, and no connection is left over.
    private func account(_ history: History, _ sourceLocation: SourceLocation) async throws {
        var after: [String: Double] = [:]
        for _ in 0..<150 {
            after = try await service.stats()
            if after["sluice_in_flight_requests"] == 0 { break }
            try await Task.sleep(for: .milliseconds(20))
        }
        expect(
            after["sluice_in_flight_requests"] == 0, "\(after["sluice_in_flight_requests"] ?? -1) still wait",
            sourceLocation: sourceLocation)
        func total(_ stats: [String: Double]) -> Int {
            Int(
                stats.filter { $0.key.hasPrefix("sluice_decisions_total") }.values.reduce(0, +)
                    + (stats["sluice_requests_shed_total"] ?? 0))
        }
        let counted = total(after) - total(before)
        let unavailable = history.calls.count { $0.outcome == .refused(.unavailable) }
        let asked = history.answered.count - unavailable + othersAsked
        let isRight = losesCalls ? counted >= asked : counted == asked
        expect(isRight, "\(counted) decisions in the metrics for \(asked) answers", sourceLocation: sourceLocation)
        let connections = after["sluice_connections{listener=\"data\"}"] ?? -1
        expect(connections <= 1, "\(connections) clients' connections left", sourceLocation: sourceLocation)
        let descriptors = (after["process_open_fds"] ?? 0) - (before["process_open_fds"] ?? 0)
        expect(descriptors <= 8, "\(descriptors) descriptors more than before", sourceLocation: sourceLocation)
        let grown = service.residentBytes - residentBefore
        expect(grown < mayGrowBytes, "memory grew by \(grown >> 20) MiB", sourceLocation: sourceLocation)
    }

    /// What Redis holds lies between what it is known to have admitted and what it was asked: nothing counted twice.
    private func compareUsed(_ history: History, _ sourceLocation: SourceLocation) async throws {
        for entity in history.of("bulk").entities.sorted() {
            let request = WireInspectRequest.with { $0.entities = [WireEntity("user", entity)] }
            let usages = try await service.withClient("admin") { try await $0.inspect(request).usages }
            let used = usages.filter { $0.rule == "bulk" }.map { Int($0.used) }.first ?? 0
            let calls = history.of("bulk").of(entity: entity)
            let (low, high) = (calls.admitted.count, calls.count - calls.refused.count)
            expect(
                low...Swift.max(low, high) ~= used, "\(entity) has \(used) counted, not \(low) to \(high)",
                sourceLocation: sourceLocation)
        }
    }

    private func tell(_ history: History) {
        let seen = (problems.map { "FAILED: \($0)" } + notes).joined(separator: "; ")
        FaultMatrix.record(
            .init(number: number, fault: fault, expected: expected, seen: seen, recoveryMs: recovery))
    }
}
