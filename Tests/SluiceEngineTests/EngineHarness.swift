import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SluiceModel
import SluiceReference
import SluiceWire
import SwiftProtobuf
import TestSupport

@testable import SluiceEngine

/// A decider with its link on a loop of its own, fed with requests and giving back decoded answers: everything of the
/// service but its sockets to clients.
final class EngineHarness: Sendable {
    /// One answer, or why there is none.
    enum Outcome {
        case response(WireCheckResponse)
        case refused(WireStatus, String)
    }

    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let lane: NIOLoopBound<Lane>
    private let loop: any EventLoop
    let settings: ServiceSettings

    private final class Lane {
        let decider: Decider
        let sink: CollectingSink

        init(decider: Decider) {
            self.decider = decider
            sink = CollectingSink()
            decider.sink = sink
        }
    }

    static func settings(clock: ServiceSettings.Clock = .request) -> ServiceSettings {
        var settings = ServiceSettings()
        settings.clock = clock
        settings.deadlines.standard = nil
        return settings
    }

    convenience init(
        redis: RedisServer,
        rules: [Rule],
        settings: ServiceSettings = EngineHarness.settings(),
        stallLimit: TimeAmount = RedisLink.longestStall,
        scripts: [[UInt8]] = LoadedScript.ofOne
    ) async throws {
        try await self.init(
            target: RedisTarget(endpoint: .unix(path: redis.socket)), rules: rules, settings: settings,
            stallLimit: stallLimit, scripts: scripts)
        try await waitForRedis()
    }

    /// Does not wait for Redis.
    ///
    /// - Parameter scripts: what the link loads.
    init(
        target: RedisTarget, rules: [Rule], settings: ServiceSettings = EngineHarness.settings(),
        stallLimit: TimeAmount = RedisLink.longestStall,
        scripts: [[UInt8]] = LoadedScript.ofOne
    ) async throws {
        self.settings = settings
        let loop = group.next()
        self.loop = loop
        let rules = Self.active(rules, generation: 1, settings)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        lane = try await loop.submit { [logger] in
            let decider = Decider(
                loop: loop, settings: settings, rules: rules, target: target, logger: logger,
                stallLimit: stallLimit, scripts: scripts)
            decider.start()
            return NIOLoopBound(Lane(decider: decider), eventLoop: loop)
        }.get()
    }

    /// Waits until script runs can be sent, at most ten seconds.
    func waitForRedis() async throws {
        for _ in 0..<1_000 {
            if try await run({ $0.isRedisReady }) { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw RedisServer.Failure.didNotStart
    }

    private static func active(
        _ rules: [Rule], generation: UInt64, _ settings: ServiceSettings,
        eventMemoryMs: UInt64 = LimitsFile.standardEventMemoryMs
    ) -> ActiveRules {
        ActiveRules(
            LimitsFile(rules: rules, eventMemoryMs: eventMemoryMs),
            generation: generation,
            source: ActiveRules.Source(path: "", yaml: "", sha256: "", loadedAtMs: 0),
            keyPrefix: settings.keyPrefix
        )
    }

    func run<R: Sendable>(_ body: @escaping @Sendable (Decider) -> R) async throws -> R {
        let lane = lane
        return try await loop.submit { body(lane.value.decider) }.get()
    }

    func replace(
        rules: [Rule], generation: UInt64, births: [String: UInt64] = [:],
        eventMemoryMs: UInt64 = LimitsFile.standardEventMemoryMs
    ) async throws {
        let active = Self.active(rules, generation: generation, settings, eventMemoryMs: eventMemoryMs)
            .with(births: births)
        try await run { $0.use(active) }
    }

    /// Submits the requests in one turn of the loop and waits for all of the answers, in order.
    ///
    /// - Parameter timeout: of each request; nil: none.
    func decide(
        _ requests: [(request: ReferenceModel.Request, atMs: UInt64?)],
        timeout: TimeAmount? = nil
    ) async throws -> [Outcome] {
        let payloads = try requests.map { try Self.payload($0.request, atMs: $0.atMs) }
        let lane = lane
        return try await loop.flatSubmit {
            let lane = lane.value
            let done = lane.decider.loop.makePromise(of: [Outcome].self)
            lane.sink.expect(payloads.count, done)
            let late = lane.decider.loop.scheduleTask(in: .seconds(30)) { done.fail(Unanswered()) }
            done.futureResult.whenComplete { _ in late.cancel() }
            let decoder = CheckDecoder(takesTime: lane.decider.settings.clock == .request)
            for (position, payload) in payloads.enumerated() {
                let caller = Caller(connection: 0, epoch: 0, stream: UInt32(position))
                do throws(InvalidRequest) {
                    try payload.withReadableBytesTyped { (bytes) throws(InvalidRequest) in
                        let view = try decoder.decode(bytes, 0..<bytes.count)
                        try lane.decider.checkAge(view)
                        let now = NIODeadline.now()
                        let deadline = timeout.map { now + $0 } ?? .distantFuture
                        lane.decider.submit(view, from: caller, received: now, deadline: deadline)
                    }
                } catch {
                    lane.sink.refuse(caller, .invalidArgument, error.message)
                }
            }
            return done.futureResult
        }.get()
    }

    /// Submits one request and waits for its answer.
    func decide(
        _ request: ReferenceModel.Request,
        atMs: UInt64? = nil,
        timeout: TimeAmount? = nil
    ) async throws -> WireCheckResponse {
        let outcome = try await decide([(request, atMs)], timeout: timeout)[0]
        switch outcome {
        case .response(let response): return response
        case .refused(let status, let message): throw Refused(status: status, message: message)
        }
    }

    /// No answer for thirty seconds.
    struct Unanswered: Error {}

    struct Refused: Error {
        var status: WireStatus
        var message: String
    }

    /// Takes back what an event counted.
    func undo(
        _ event: ReferenceModel.Request, cost: UInt64 = 0, amount: UInt64 = 0, atMs: UInt64?
    ) async throws -> Bool {
        let lane = lane
        var message = Self.undoMessage(event)
        message.atMs = atMs ?? 0
        message.cost = UInt32(cost)
        message.amount = amount
        return try await loop.flatSubmit { [message] in
            let decider = lane.value.decider
            let done = decider.loop.makePromise(of: Bool.self)
            do {
                let call = try UndoCall(message, takesTime: decider.settings.clock == .request)
                call.withView { view in
                    decider.undo(view, cost: call.cost, amount: call.amount) {
                        done.completeWith($0.mapError { $0 as any Error })
                    }
                }
            } catch {
                done.fail(error)
            }
            return done.futureResult
        }.get()
    }

    private static func undoMessage(_ event: ReferenceModel.Request) -> WireUndoRequest {
        var message = WireUndoRequest()
        message.action = String(decoding: event.action, as: UTF8.self)
        message.entities = event.entities.map { WireEntity(dimension: $0.dimension, value: $0.value) }
        message.eventID = Data(event.eventID)
        return message
    }

    /// The Redis key of an event.
    static func eventKey(of event: ReferenceModel.Request, keyPrefix: String) throws -> [UInt8] {
        var key: [UInt8] = []
        try UndoCall(undoMessage(event), takesTime: true).withView { view in
            EntityKeyWriter.writeEventKey(prefix: keyPrefix, view, mode: event.mode, into: &key)
        }
        return key
    }

    /// Runs an operator's script on the hash of exactly these entities.
    func run(
        _ script: [UInt8], on entities: [(dimension: String, value: [UInt8])], argument: String
    ) async throws -> Int64 {
        let lane = lane
        let wire = entities.map { WireEntity(dimension: $0.dimension, value: $0.value) }
        return try await loop.flatSubmit {
            let decider = lane.value.decider
            let done = decider.loop.makePromise(of: Int64.self)
            guard let key = try? EntityList(wire).withView({ decider.key(of: $0) }) else {
                return decider.loop.makeFailedFuture(Unanswered())
            }
            decider.perform([Array("EVAL".utf8), script, Array("1".utf8), key, Array(argument.utf8)]) {
                done.completeWith($0.map { $0.integer(at: 0) }.mapError { $0 as any Error })
            }
            return done.futureResult
        }.get()
    }

    /// One limit of an entity.
    struct Inspected: Sendable {
        var rule: String
        var limit: Limit
        var used: UInt64
        var resetMs: UInt64
        var blockedMs: UInt64
        var blockStep: UInt64
    }

    /// How full each limit of the entities is.
    func inspect(
        _ entities: [(dimension: String, value: [UInt8])],
        atMs: UInt64?
    ) async throws -> [Inspected] {
        let lane = lane
        let wire = entities.map { WireEntity(dimension: $0.dimension, value: $0.value) }
        return try await loop.flatSubmit {
            let decider = lane.value.decider
            let done = decider.loop.makePromise(of: [Inspected].self)
            let list: EntityList
            do throws(InvalidRequest) {
                list = try EntityList(wire)
            } catch {
                return decider.loop.makeFailedFuture(error)
            }
            list.withView { view in
                var view = view
                view.atMs = atMs
                decider.inspect(view) { rules, uses, result in
                    let places = uses.flatMap { use in
                        let variant = rules.set.variants[Int(use.variant)]
                        return variant.limits.map { (rules.set.rules[variant.rule].name, $0) }
                    }
                    done.completeWith(
                        result.mapError { $0 as any Error }.map { limits in
                            zip(places, limits).map {
                                Inspected(
                                    rule: $0.0, limit: $0.1, used: $1.used, resetMs: $1.resetMs,
                                    blockedMs: $1.blockedMs, blockStep: $1.blockStep)
                            }
                        }
                    )
                }
            }
            return done.futureResult
        }.get()
    }

    func shutDown() async throws {
        try await run { $0.shutDown() }
        try await group.shutdownGracefully()
    }

    static func payload(_ request: ReferenceModel.Request, atMs: UInt64?) throws -> ByteBuffer {
        var message = WireCheckRequest()
        message.action = String(decoding: request.action, as: UTF8.self)
        message.entities = request.entities.map { WireEntity(dimension: $0.dimension, value: $0.value) }
        message.cost = UInt32(request.cost)
        message.amount = request.amount
        message.mode = WireMode(request.mode)
        message.ageMs = request.ageMs
        message.atMs = atMs ?? 0
        message.eventID = Data(request.eventID)
        let bytes: [UInt8] = try message.serializedBytes()
        return ByteBuffer(bytes: bytes)
    }
}

/// Gathers the answers of one call.
private final class CollectingSink: AnswerSink {
    private var outcomes: [EngineHarness.Outcome?] = []
    private var missing = 0
    private var done: EventLoopPromise<[EngineHarness.Outcome]>?

    func expect(_ count: Int, _ done: EventLoopPromise<[EngineHarness.Outcome]>) {
        outcomes = Array(repeating: nil, count: count)
        missing = count
        self.done = done
    }

    private func take(_ caller: Caller, _ outcome: EngineHarness.Outcome) {
        outcomes[Int(caller.stream)] = outcome
        missing -= 1
        if missing == 0 { done?.succeed(outcomes.map { $0! }) }
    }

    func hasMoreThanItsShare(_ caller: Caller) -> Bool { false }

    func deliver(_ caller: Caller, micros: UInt32, atMost most: Int, _ payload: (inout ByteCursor) -> Void) {
        var buffer = ByteBuffer()
        buffer.write(atMost: most, payload)
        do {
            take(caller, .response(try WireCheckResponse(payload: buffer)))
        } catch {
            take(caller, .refused(.internal, "an answer that does not decode"))
        }
    }

    func refuse(_ caller: Caller, _ status: WireStatus, _ message: String) {
        take(caller, .refused(status, message))
    }

    func endOfTurn() {}
}
