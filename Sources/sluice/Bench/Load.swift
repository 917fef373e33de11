import NIOCore
import SluiceWire

/// What plays at a service: so many connections, what they send, and when.
struct Load: Sendable {
    enum Pace: Hashable, Sendable {
        /// Each connection always has its requests in flight: a closed loop.
        case closed
        /// Decisions a second over all connections, due at even intervals whatever becomes of them: an open loop.
        case rate(Double)
    }

    var connections = 8
    /// Requests unanswered at any time, at most, on each connection.
    var inFlight = 64
    var pace = Pace.closed
    var entities = 100_000
    /// Exponent of Zipf's law; nil: every entity is as popular as any other.
    var zipf: Double?
    /// Share of requests that name users whose small limit is used up.
    var refused = 0.0

    /// With so many unanswered on a connection a rate is not kept anyway.
    static let mostUnansweredAtRate = 1_000

    var words: String {
        var words =
            switch pace {
            case .closed: "\(connections) x \(inFlight)"
            case .rate(let rate): "\(NumberWords.grouped(UInt64(rate)))/s over \(connections)"
            }
        if let zipf { words += ", zipf \(JSON.spell(zipf))" }
        if refused > 0 { words += ", \(JSON.spell(refused * 100)) % refused" }
        return words
    }

    /// Where a load is played.
    struct Target: Sendable {
        var endpoint: Endpoint
        /// Of the service, and of its Redis; nil where they are not known.
        var servicePID: Int32?
        var redisPID: Int32?
        /// Whether the limits in force there are the benchmark's own.
        var knowsVerdicts = true
    }

    /// What was measured between warm-up and end.
    struct Result: Sendable {
        var seconds: Double
        var tally: LoadTally
        /// Seconds of CPU in that time; nil where the process could not be read.
        var redisCPU: Double?
        var serviceCPU: Double?
        /// Of this process, which plays the load.
        var generatorCPU: Double?
        /// How far the meter went that was given along.
        var metered: Double?

        var perSecond: Double { Double(tally.decisions) / seconds }

        func perDecision(_ amount: Double?) -> Double? {
            guard let amount, tally.decisions > 0 else { return nil }
            return amount / Double(tally.decisions)
        }

        /// Two measurements of the same load as one.
        mutating func add(_ other: Result) {
            seconds += other.seconds
            tally.add(other.tally)
            redisCPU = redisCPU.flatMap { mine in other.redisCPU.map { mine + $0 } }
            serviceCPU = serviceCPU.flatMap { mine in other.serviceCPU.map { mine + $0 } }
            generatorCPU = generatorCPU.flatMap { mine in other.generatorCPU.map { mine + $0 } }
            metered = metered.flatMap { mine in other.metered.map { mine + $0 } }
        }
    }

    /// Plays the load and measures it.
    ///
    /// - Parameters:
    ///   - seed: of the entities; the same one names the same.
    ///   - meter: read before and after the measured time.
    /// - Throws: a `Failure` when there is no connection, or one broke.
    func run(
        at target: Target,
        from loops: any EventLoopGroup,
        warmUp: Duration,
        measured: Duration,
        seed: UInt64 = 1,
        meter: (() throws -> Double)? = nil
    ) async throws -> Result {
        let playing = try await start(at: target, from: loops, seed: seed)
        try await Task.sleep(for: warmUp)
        let meterBefore = try meter?()
        let clock = ContinuousClock.now
        let before = CPU.now(of: target)
        playing.move(to: .measured)
        try await Task.sleep(for: measured)
        let seconds = (ContinuousClock.now - clock) / .seconds(1)
        let after = CPU.now(of: target)
        let meterAfter = try meter?()
        playing.move(to: .ending)
        return Result(
            seconds: seconds,
            tally: try await playing.tally(),
            redisCPU: CPU.zip(before.redis, after.redis),
            serviceCPU: CPU.zip(before.service, after.service),
            generatorCPU: CPU.zip(before.generator, after.generator),
            metered: CPU.zip(meterBefore, meterAfter)
        )
    }

    /// Starts it; it goes on until told to end.
    func start(at target: Target, from loops: any EventLoopGroup, seed: UInt64 = 1) async throws -> Playing {
        let choices = (0..<connections).map { index in
            EntityChoice(
                .random(below: entities, zipf: zipf), refused: refused, seed: seed << 48 | UInt64(index) << 32)
        }
        return try await Playing.open(choices, inFlight: inFlight, at: target, from: loops) { index in
            switch pace {
            case .closed: return .closed
            case .rate(let rate):
                let everyNs = 1e9 * Double(connections) / rate
                // One connection behind the other, so that the service sees an even stream.
                return .due(everyNs: everyNs, offsetNs: everyNs * Double(index) / Double(connections))
            }
        }
    }

    private struct CPU {
        var redis: Double?
        var service: Double?
        var generator: Double?

        static func now(of target: Target) -> CPU {
            CPU(
                redis: target.redisPID.flatMap(ProcessCPU.seconds),
                service: target.servicePID.flatMap(ProcessCPU.seconds),
                generator: ProcessCPU.ownSeconds()
            )
        }

        static func zip(_ before: Double?, _ after: Double?) -> Double? {
            before.flatMap { before in after.map { $0 - before } }
        }
    }
}
