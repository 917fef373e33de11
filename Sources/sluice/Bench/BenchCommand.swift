import ArgumentParser
import NIOPosix

struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure decisions a second, latency and CPU on this machine.",
        discussion: """
            Starts a sluiced of its own with a private Redis, plays the standard work at it, three entities with a \
            limit on each and nothing refused, and compares what it costs with the budgets of docs/performance.md. \
            CPU budgets are in U, the Redis CPU of one pipelined INCR on this machine, so that they hold anywhere.

              $ sluice bench
              $ sluice bench --seconds 30 --json > bench.json
              $ sluice bench --connections 16 --in-flight 32     one load of your own, no budgets of throughput

            The generator takes a core too: on a small machine it competes with what it measures. It does not touch \
            a service that is running.
            """
    )

    @Option(help: ArgumentHelp("Connections of a load of your own, 1 to 1000.", valueName: "n"))
    var connections: Int?

    @Option(help: ArgumentHelp("Requests in flight on each of its connections, 1 to 4000.", valueName: "n"))
    var inFlight: Int?

    @Option(help: ArgumentHelp("How long each load is measured, 1 to 3600; a second of warm-up more.", valueName: "n"))
    var seconds = 5

    @Option(help: ArgumentHelp("Entities per dimension, 1000 to 1000000.", valueName: "n"))
    var entities = 100_000

    @Option(help: ArgumentHelp("Threads of the service, and of the generator, 1 to 64.", valueName: "n"))
    var threads = 1

    @OptionGroup var output: OutputOptions

    func validate() throws {
        try Self.validate("--connections", connections ?? 1, in: 1...1_000)
        try Self.validate("--in-flight", inFlight ?? 1, in: 1...4_000)
        try Self.validate("--seconds", seconds, in: 1...3_600)
        try Self.validate("--entities", entities, in: 1_000...StandardWork.mostEntities)
        try Self.validate("--threads", threads, in: 1...64)
    }

    private static func validate(_ name: String, _ value: Int, in range: ClosedRange<Int>) throws {
        guard !range.contains(value) else { return }
        throw ValidationError("The value of '\(name)' must be from \(range.lowerBound) to \(range.upperBound).")
    }

    func run() async throws {
        let service = try BenchService.start(limits: StandardWork.limits(), threads: threads)
        defer { service.stop() }
        let loops = MultiThreadedEventLoopGroup(numberOfThreads: threads)
        let report = try await measure(service, from: loops)
        try await loops.shutdownGracefully()
        if output.json {
            try Output.print(report.json)
        } else {
            try Output.print(report.lines(for: .standardOutput(environment: Environment())))
        }
    }

    private var loads: [Load] {
        guard connections == nil, inFlight == nil else {
            return [Load(connections: connections ?? 1, inFlight: inFlight ?? 1)]
        }
        return [BenchReport.saturated, BenchReport.unpipelined, BenchReport.single]
    }

    private func measure(
        _ service: BenchService,
        from loops: MultiThreadedEventLoopGroup
    ) async throws -> BenchReport {
        try await BenchReport.saturated.fill(service, from: loops, entities: entities)
        // U before and after: a machine that changes its pace meanwhile shifts both.
        var units = [RedisUnit.measure(on: service)]
        var results: [(Load, Load.Result)] = []
        for load in loads {
            let result = try await load.run(
                on: service, from: loops, entities: entities, warmUp: .seconds(1), measured: .seconds(seconds))
            results.append((load, result))
            if results.count == 1 { units.append(RedisUnit.measure(on: service)) }
        }
        let known = units.compactMap(\.self)
        return BenchReport(
            entities: entities,
            threads: threads,
            unit: known.isEmpty ? nil : known.reduce(0, +) / Double(known.count),
            results: results
        )
    }
}
