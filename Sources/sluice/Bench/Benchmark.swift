import NIOCore
import SluiceWire

/// Plays loads at a service, and measures what budgets are about.
struct Benchmark {
    static let saturated = Load(connections: 8, inFlight: 64)
    static let unpipelined = Load(connections: 8, inFlight: 1)
    static let single = Load(connections: 1, inFlight: 1)
    static let sweep = [1, 8, 64, 256].map { Load(connections: 8, inFlight: $0) }

    var loops: any EventLoopGroup
    var entities: Int
    var threads: Int
    var warmUp: Duration
    var seconds: Int

    private var report: BenchReport { .init(entities: entities, threads: threads) }

    // MARK: Loads

    func play(_ loads: [Load], at endpoint: Endpoint) async throws -> BenchReport {
        var report = report
        report.server = "\(endpoint)"
        let target = Load.Target(endpoint: endpoint, knowsVerdicts: false)
        for load in loads { report.loads.append(try await play(load, at: target)) }
        return report
    }

    /// Against a service of its own.
    func play(_ loads: [Load]) async throws -> BenchReport {
        let limits = StandardWork.limits(roomy: loads.contains { $0.zipf != nil })
        let service = try BenchService.start(.init(limits: limits, threads: threads))
        defer { service.stop() }
        try await fill(service)
        var report = report
        for load in loads { report.loads.append(try await play(load, at: service.target)) }
        return report
    }

    private func play(
        _ load: Load,
        at target: Load.Target,
        meter: (() throws -> Double)? = nil
    ) async throws -> BenchReport.Played {
        var load = load
        load.entities = entities
        let result = try await load.run(
            at: target, from: loops, warmUp: warmUp, measured: .seconds(seconds), meter: meter)
        return .init(load: load, target: target, result: result)
    }

    /// Names every entity once, so that what follows meets counters that exist, and uses up the limits that are to
    /// refuse.
    private func fill(_ service: BenchService) async throws {
        var tally = try await Playing.once(.allowed, 0..<entities, at: service.target, from: loops)
        var spending = service.target
        spending.knowsVerdicts = false
        for _ in 0..<StandardWork.refusedAfter {
            let users = 0..<EntityChoice.refusedUsers
            tally.add(try await Playing.once(.refused, users, at: spending, from: loops))
        }
        guard tally.exceptions == 0 else {
            throw Failure(
                .internalFailure, "\(tally.exceptions) answers were not decided by Redis while counters were filled")
        }
    }

    // MARK: Budgets

    /// The standard loads, and every budget.
    func measureBudgets() async throws -> BenchReport {
        let limits = StandardWork.limits()
        let service = try BenchService.start(.init(limits: limits, threads: threads))
        defer { service.stop() }
        try await fill(service)
        var report = report
        // U before and after: a machine that changes its pace meanwhile shifts both.
        var units = [RedisUnit.measure(on: service.redis)]
        let saturated = try await play(Self.saturated, at: service.target)
        units.append(RedisUnit.measure(on: service.redis))
        let unpipelined = try await play(Self.unpipelined, at: service.target)
        let (single, againstScript) = try await measureAgainstScript(service.redis, limits: limits)
        let (refused, redisShare) = try await measureRefused(service)

        let known = units.compactMap(\.self)
        let unit = known.isEmpty ? nil : known.reduce(0, +) / Double(known.count)
        func inUnits(_ cpu: Double?, of played: BenchReport.Played) -> Budget.Reading {
            guard let unit, unit > 0 else { return .unknown("U is unknown") }
            guard let cpu = played.result.perDecision(cpu) else { return .unknown("the CPU time could not be read") }
            return .measured(cpu / unit)
        }
        report.unit = unit
        report.loads = [saturated, unpipelined, single, refused]
        report.budgets = [
            .init(row: .redisCPU, reading: inUnits(saturated.result.redisCPU, of: saturated)),
            .init(row: .serviceCPU, reading: inUnits(saturated.result.serviceCPU, of: saturated)),
            .init(row: .againstScript, reading: againstScript),
            .init(row: .pipelining, reading: .measured(saturated.result.perSecond / unpipelined.result.perSecond)),
            .init(row: .redisShareWhenRefused, reading: redisShare),
            .init(row: .serviceCPUWhenRefused, reading: inUnits(refused.result.serviceCPU, of: refused)),
            .init(
                row: .allocations, reading: await read { try await measureAllocations(service.redis, limits: limits) }),
            .init(row: .bytes, reading: await read { try await EntityMemory.measure(on: service, from: loops) }),
        ]
        return report
    }

    private func read(_ measure: () async throws -> Double) async -> Budget.Reading {
        do {
            return .measured(try await measure())
        } catch let failure as Failure {
            return .unknown(failure.message)
        } catch {
            return .unknown("\(error)")
        }
    }

    /// One request at a time, in turns with `redis-benchmark`: client, service, Redis and `redis-benchmark` all meet on
    /// Unix sockets. A service of its own, because one listens in one place; on the same Redis, with the same counters.
    private func measureAgainstScript(
        _ redis: BenchService.Redis,
        limits: String
    ) async throws -> (BenchReport.Played, Budget.Reading) {
        let service = try BenchService.start(
            .init(limits: limits, threads: threads, socketKind: .unix, redis: redis))
        defer { service.stop() }
        var played: BenchReport.Played?
        var ours: [Double] = []
        func playHalf() async throws {
            var half = self
            half.seconds = max(1, seconds / 2)
            let result = try await half.play(Self.single, at: service.target)
            ours.append(Double(result.result.tally.latencies.valueAtPercentile(50)) / 1e9)
            if played == nil { played = result } else { played?.result.add(result.result) }
        }
        let reading = await read {
            let script = try await ScriptAlone(of: service, from: loops, entities: entities)
            let calls = max(1, seconds / 2) * 10_000
            var theirs = 0.0
            for _ in 0..<2 {
                try await playHalf()
                theirs += try script.median(calls: calls)
            }
            guard theirs > 0 else { throw Failure(.internalFailure, "redis-benchmark measured nothing") }
            return ours.reduce(0, +) / theirs
        }
        if played == nil { try await playHalf() }
        guard let played else { throw Failure(.internalFailure, "one request at a time could not be measured") }
        return (played, reading)
    }

    /// A hundred users over their limit: how many of their requests Redis decides. Each run of a script is taken for a
    /// decision if answers tell of fewer.
    private func measureRefused(_ service: BenchService) async throws -> (BenchReport.Played, Budget.Reading) {
        var load = Self.saturated
        load.refused = 1
        let console = RedisConsole(redis: service.redis)
        let played = try await play(load, at: service.target, meter: { Double((try? console.scriptRuns().all) ?? 0) })
        let tally = played.result.tally
        guard tally.decisions > 0, let runs = played.result.metered else { return (played, .unknown("no answers")) }
        let byRedis = Double(tally.decisions - tally.fromCache)
        return (played, .measured(max(byRedis, runs) / Double(tally.decisions)))
    }

    /// In a short run of its own, so that counting slows no other down.
    private func measureAllocations(_ redis: BenchService.Redis, limits: String) async throws -> Double {
        let count = try AllocationCount()
        let service = try BenchService.start(
            .init(limits: limits, threads: threads, redis: redis, environment: count.environment))
        defer { service.stop() }
        var load = Self.saturated
        load.entities = entities
        let result = try await load.run(
            at: service.target, from: loops, warmUp: .seconds(1), measured: .seconds(2),
            meter: { Double(count.allocations) })
        guard result.tally.exceptions == 0, let allocations = result.perDecision(result.metered), allocations > 0
        else { throw Failure(.internalFailure, "the run that counts them had exceptions, or counted none") }
        return allocations
    }
}
