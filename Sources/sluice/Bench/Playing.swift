import NIOCore
import NIOPosix
import SluiceWire

/// The connections of a load while it is played.
struct Playing: Sendable {
    private var channels: [any Channel] = []
    private var tallies: [EventLoopFuture<LoadTally>] = []

    /// Opens a connection for each choice of entities; they begin at once.
    static func open(
        _ choices: [EntityChoice],
        inFlight: Int,
        at target: Load.Target,
        from loops: any EventLoopGroup,
        pace: (Int) -> LoadConnection.Pace
    ) async throws -> Playing {
        var playing = Playing()
        for (index, choice) in choices.enumerated() {
            let loop = loops.next()
            let done = loop.makePromise(of: LoadTally.self)
            let pace = pace(index)
            let bootstrap = ClientBootstrap(group: loop)
                .channelOption(.socketOption(.tcp_nodelay), value: 1)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(
                            LoadConnection(
                                pace: pace, mostInFlight: inFlight, choice: choice,
                                knowsVerdicts: target.knowsVerdicts, done: done))
                    }
                }
            do {
                let channel =
                    switch target.endpoint {
                    case .tcp(let host, let port): try await bootstrap.connect(host: host, port: port).get()
                    case .unix(let path): try await bootstrap.connect(unixDomainSocketPath: path).get()
                    }
                playing.channels.append(channel)
                playing.tallies.append(done.futureResult)
            } catch {
                done.fail(error)
                playing.move(to: .ending)
                throw Failure(.noServer, "no service at \(target.endpoint): \("\(error)".printable)")
            }
        }
        return playing
    }

    /// Plays requests of one kind, each number once in every dimension, to the end.
    @discardableResult
    static func once(
        _ kind: StandardWork.Kind,
        _ numbers: Range<Int>,
        at target: Load.Target,
        from loops: any EventLoopGroup
    ) async throws -> LoadTally {
        let connections = min(8, numbers.count)
        let choices = (0..<connections).map { index in
            let from = numbers.lowerBound + numbers.count * index / connections
            let until = numbers.lowerBound + numbers.count * (index + 1) / connections
            return EntityChoice(.once(from..<until), kind: kind, seed: 0)
        }
        return try await open(choices, inFlight: 64, at: target, from: loops) { _ in .closed }.tally()
    }

    func move(to phase: LoadConnection.Phase) {
        for channel in channels { channel.pipeline.fireUserInboundEventTriggered(phase) }
    }

    /// What was counted on all connections, once they have closed.
    ///
    /// - Throws: a `Failure` when one broke.
    func tally() async throws -> LoadTally {
        var sum = LoadTally()
        for tally in tallies { sum.add(try await tally.get()) }
        if let problem = sum.problem {
            throw Failure(.internalFailure, "a connection to the service broke: \(problem.printable)")
        }
        return sum
    }
}
