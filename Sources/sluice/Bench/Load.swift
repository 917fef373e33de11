import NIOCore
import NIOPosix
import SluiceWire

/// Closed loops against a service: `connections` of them, each with `inFlight` requests unanswered at any time.
struct Load: Hashable, Sendable {
    var connections: Int
    var inFlight: Int

    var words: String { "\(connections) x \(inFlight)" }

    /// What was measured between warm-up and end.
    struct Result: Sendable {
        var seconds: Double
        var tally: LoadConnection.Tally
        /// Seconds of CPU in that time; nil where the process could not be read.
        var redisCPU: Double?
        var serviceCPU: Double?

        var perSecond: Double { Double(tally.decisions) / seconds }
    }

    /// Plays the load and measures it.
    ///
    /// - Throws: a `Failure` when a connection broke or an answer was not what the standard work gives.
    func run(
        on service: BenchService,
        from loops: any EventLoopGroup,
        entities: Int,
        warmUp: Duration,
        measured: Duration
    ) async throws -> Result {
        let phase = LoadPhase()
        let orders = (0..<connections).map { _ in EntityChoice.Order.random(below: entities) }
        let tallies = try await open(on: service, from: loops, orders: orders, phase: phase)

        try await Task.sleep(for: warmUp)
        let clock = ContinuousClock.now
        let before = (ProcessCPU.seconds(of: service.redisPID), ProcessCPU.seconds(of: service.pid))
        phase.move(to: .measured)
        try await Task.sleep(for: measured)
        phase.move(to: .ending)
        let after = (ProcessCPU.seconds(of: service.redisPID), ProcessCPU.seconds(of: service.pid))
        let seconds = (ContinuousClock.now - clock) / .seconds(1)

        let tally = try await sum(tallies)
        return Result(
            seconds: seconds,
            tally: tally,
            redisCPU: zip(before.0, after.0),
            serviceCPU: zip(before.1, after.1)
        )
    }

    /// Names every entity once, so that what follows meets counters that exist.
    func fill(_ service: BenchService, from loops: any EventLoopGroup, entities: Int) async throws {
        let orders = (0..<connections).map { index in
            EntityChoice.Order.once(entities * index / connections..<entities * (index + 1) / connections)
        }
        _ = try await sum(try await open(on: service, from: loops, orders: orders, phase: LoadPhase()))
    }

    private func open(
        on service: BenchService,
        from loops: any EventLoopGroup,
        orders: [EntityChoice.Order],
        phase: LoadPhase
    ) async throws -> [EventLoopFuture<LoadConnection.Tally>] {
        var tallies: [EventLoopFuture<LoadConnection.Tally>] = []
        for (index, order) in orders.enumerated() {
            let loop = loops.next()
            let done = loop.makePromise(of: LoadConnection.Tally.self)
            let bootstrap = ClientBootstrap(group: loop)
                .channelOption(.socketOption(.tcp_nodelay), value: 1)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let choice = EntityChoice(order, seed: UInt64(index) << 32)
                        try channel.pipeline.syncOperations.addHandler(
                            LoadConnection(inFlight: inFlight, choice: choice, phase: phase, done: done))
                    }
                }
            do {
                switch service.endpoint {
                case .tcp(let host, let port): _ = try await bootstrap.connect(host: host, port: port).get()
                case .unix(let path): _ = try await bootstrap.connect(unixDomainSocketPath: path).get()
                }
            } catch {
                done.fail(error)
                throw Failure(.internalFailure, "cannot connect to the benchmark's own service: \(error)")
            }
            tallies.append(done.futureResult)
        }
        return tallies
    }

    private func sum(_ tallies: [EventLoopFuture<LoadConnection.Tally>]) async throws -> LoadConnection.Tally {
        var sum = LoadConnection.Tally()
        for tally in tallies { sum.add(try await tally.get()) }
        if let problem = sum.problem { throw Failure(.internalFailure, "a connection broke: \(problem)") }
        guard sum.exceptions == 0 else {
            throw Failure(.internalFailure, "\(sum.exceptions) answers were not decided by Redis and allowed")
        }
        return sum
    }

    private func zip(_ before: Double?, _ after: Double?) -> Double? {
        before.flatMap { before in after.map { $0 - before } }
    }
}
