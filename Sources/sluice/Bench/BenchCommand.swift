import ArgumentParser
import NIOPosix
import SluiceWire

struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure decisions a second, latency and CPU on this machine.",
        discussion: """
            Starts a sluiced of its own with a private Redis, plays the standard work at it, three entities with a \
            limit on each, and compares what it costs with the budgets of docs/performance.md. CPU budgets are in U, \
            the Redis CPU of one pipelined INCR on this machine, so that they hold anywhere.

              $ sluice bench
              $ sluice bench --seconds 30 --json > bench.json
              $ sluice bench --connections 16 --in-flight 32        a closed loop of your own
              $ sluice bench --rate 20000 --zipf 1.1 --refused 0.2  an open loop: requests are due at fixed times
              $ sluice bench --sweep                                latency against requests in flight
              $ sluice bench --rate 5000 --server 10.0.0.7:7400     at a service that is running

            At a rate, latency is counted from when a request was due, whatever kept it from being sent. The \
            generator takes a core too: on a small machine it competes with what it measures. Without --server it \
            does not touch a service that is running; with it, it counts requests of made-up entities there.
            """
    )

    @Option(help: ArgumentHelp("Connections of a load of your own, 1 to 1000.", valueName: "n"))
    var connections: Int?

    @Option(
        help: ArgumentHelp(
            "Requests in flight on each of its connections, 1 to 4000; with --rate the most unanswered (1000).",
            valueName: "n"))
    var inFlight: Int?

    @Option(help: ArgumentHelp("Decisions a second of an open loop, 1 to 1000000.", valueName: "n"))
    var rate: Int?

    @Option(
        help: ArgumentHelp(
            "Some entities are more popular: exponent of Zipf's law, above 0, at most 3.", valueName: "s"))
    var zipf: Double?

    @Option(help: ArgumentHelp("Share of requests over a limit that is used up, 0 to 1.", valueName: "share"))
    var refused: Double?

    @Flag(help: "Eight connections with 1, 8, 64 and 256 requests in flight on each.")
    var sweep = false

    @Option(
        help: ArgumentHelp("Play at this service instead of one of its own.", valueName: "HOST:PORT|unix:PATH"))
    var server: String?

    @Option(help: ArgumentHelp("How long each load is measured, 1 to 3600.", valueName: "n"))
    var seconds = 5

    @Option(help: ArgumentHelp("How long each load runs before, in seconds, 0 to 3600.", valueName: "n"))
    var warmUp = 1.0

    @Option(help: ArgumentHelp("Entities per dimension, 1000 to 1000000.", valueName: "n"))
    var entities = 100_000

    @Option(help: ArgumentHelp("Threads of the service, and of the generator, 1 to 64.", valueName: "n"))
    var threads = 1

    @OptionGroup var counting: CountingOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        try Self.validate("--connections", connections ?? 1, in: 1...1_000)
        try Self.validate("--in-flight", inFlight ?? 1, in: 1...4_000)
        try Self.validate("--rate", rate ?? 1, in: 1...1_000_000)
        try Self.validate("--refused", refused ?? 0, in: 0...1)
        try Self.validate("--seconds", seconds, in: 1...3_600)
        try Self.validate("--warm-up", warmUp, in: 0...3_600)
        try Self.validate("--entities", entities, in: 1_000...StandardWork.mostEntities)
        try Self.validate("--threads", threads, in: 1...64)
        guard zipf.map({ $0 > 0 && $0 <= 3 }) ?? true else {
            throw ValidationError("The value of '--zipf' must be above 0 and at most 3.")
        }
        if sweep, connections != nil || inFlight != nil || rate != nil {
            throw ValidationError("'--sweep' has connections and requests in flight of its own.")
        }
        if server != nil, refused != nil {
            throw ValidationError("'--refused' needs the limits of the benchmark's own service, not of '--server'.")
        }
        if counting.instructions, isLoad || sweep || server != nil {
            throw ValidationError("'--instructions' plays a load of its own.")
        }
        try counting.validate()
    }

    private static func validate<Value: Comparable>(
        _ name: String,
        _ value: Value,
        in range: ClosedRange<Value>
    ) throws {
        guard !range.contains(value) else { return }
        throw ValidationError("The value of '\(name)' must be from \(range.lowerBound) to \(range.upperBound).")
    }

    func run() async throws {
        if counting.instructions { return try await counting.run(output) }
        let loops = MultiThreadedEventLoopGroup(numberOfThreads: threads)
        let benchmark = Benchmark(
            loops: loops, entities: entities, threads: threads, warmUp: .seconds(warmUp), seconds: seconds)
        let report = try await measure(benchmark)
        try await loops.shutdownGracefully()
        try report.print(as: output, on: .standardOutput(environment: Environment()))
    }

    private func measure(_ benchmark: Benchmark) async throws -> BenchReport {
        if let server {
            let endpoint: Endpoint
            do {
                endpoint = try Endpoint(server)
            } catch {
                throw Failure(.usage, "--server: \(error)")
            }
            let standard = [Benchmark.saturated, Benchmark.unpipelined, Benchmark.single]
            return try await benchmark.play(isLoad || sweep ? loads : mixed(standard), at: endpoint)
        }
        return isLoad || sweep ? try await benchmark.play(loads) : try await benchmark.measureBudgets()
    }

    /// Whether a load is described, of which no budget speaks.
    private var isLoad: Bool {
        connections != nil || inFlight != nil || rate != nil || zipf != nil || refused != nil
    }

    private var loads: [Load] {
        if sweep { return mixed(Benchmark.sweep) }
        var load = Load()
        if let rate {
            load.pace = .rate(Double(rate))
            load.connections = connections ?? load.connections
            load.inFlight = inFlight ?? Load.mostUnansweredAtRate
        } else if connections != nil || inFlight != nil {
            load.connections = connections ?? 1
            load.inFlight = inFlight ?? 1
        }
        return mixed([load])
    }

    private func mixed(_ loads: [Load]) -> [Load] {
        loads.map { load in
            var load = load
            load.zipf = zipf
            load.refused = refused ?? 0
            return load
        }
    }
}
