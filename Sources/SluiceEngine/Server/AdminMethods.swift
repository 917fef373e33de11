import Foundation
import Logging
import LuaScripts
import NIOCore
import SluiceModel
import SluiceWire
import SwiftProtobuf

/// The methods that operators use. One for each event loop.
final class AdminMethods {
    /// Requests that wait for Redis, at most.
    private static let mostOutstanding = 256
    private static let deadline = TimeAmount.seconds(1)

    /// A status other than ok, with words for the operator.
    struct Refusal: Error {
        var status: WireStatus
        var words: String

        init(status: WireStatus, words: String) {
            self.status = status
            self.words = words
        }

        init(_ failure: RedisFailure) {
            switch failure {
            case .disconnected: self.init(status: .unavailable, words: "Redis is not connected")
            case .unreadable:
                self.init(status: .internal, words: "a counter of these entities was written by another version")
            default: self.init(status: .internal, words: "Redis gave no answer: \(failure.rawValue)")
            }
        }
    }

    private var outstanding = 0
    unowned let server: LoopServer
    unowned let core: ServiceCore
    let logger: Logger

    init(server: LoopServer, core: ServiceCore, logger: Logger) {
        self.server = server
        self.core = core
        self.logger = logger
    }

    func take(_ header: FrameHeader, _ payload: ByteBuffer, _ caller: Caller) throws {
        switch header.method {
        case .inspect: try inspect(try message(payload), caller)
        case .reset: try reset(try message(payload), caller)
        case .rules: rules(caller)
        case .top: try top(try message(payload), caller)
        case .reload: try reload(try message(payload), caller)
        case .setListing: try setListing(try message(payload), caller)
        case .listings: try listings(try message(payload), caller)
        default: stats(caller)
        }
    }

    private func message<M: SwiftProtobuf.Message>(_ payload: ByteBuffer) throws -> M {
        do {
            return try M(payload: payload)
        } catch {
            throw InvalidRequest.malformed
        }
    }

    private func answer(_ caller: Caller, _ method: WireMethod, _ message: some SwiftProtobuf.Message) {
        server.answer(caller, method, .ok, (try? message.serializedBytes()) ?? [])
    }

    private func fail(_ caller: Caller, _ method: WireMethod, _ status: WireStatus, _ words: String) {
        var error = WireError()
        error.message = words
        server.answer(caller, method, status, (try? error.serializedBytes()) ?? [])
    }

    /// An answer that comes from Redis: the first of reply and deadline answers, the other finds it done.
    private final class Pending {
        var isAnswered = false
    }

    /// Asks Redis through `ask` and answers DEADLINE_EXCEEDED if it takes too long.
    ///
    /// - Parameter ask: is handed what to call with the answer, or with a status and words.
    private func relay(
        _ caller: Caller,
        _ method: WireMethod,
        _ ask: (@escaping (Result<any SwiftProtobuf.Message, Refusal>) -> Void) -> Void
    ) {
        guard outstanding < Self.mostOutstanding else {
            return fail(caller, method, .resourceExhausted, "too many admin requests are waiting")
        }
        outstanding += 1
        let pending = Pending()
        func finish(_ result: Result<any SwiftProtobuf.Message, Refusal>) {
            guard !pending.isAnswered else { return }
            pending.isAnswered = true
            switch result {
            case .success(let message): answer(caller, method, message)
            case .failure(let refusal): fail(caller, method, refusal.status, refusal.words)
            }
        }
        let late = server.loop.assumeIsolated().scheduleTask(in: Self.deadline) {
            finish(.failure(Refusal(status: .deadlineExceeded, words: "Redis did not answer in time")))
        }
        ask { [weak self] result in
            self?.outstanding -= 1
            late.cancel()
            finish(result)
        }
    }

    /// Answers with what a task away from the loop makes of it.
    func spawn<Answer: SwiftProtobuf.Message & Sendable>(
        _ caller: Caller,
        _ method: WireMethod,
        _ make: @escaping @Sendable (ServiceCore) async throws -> Answer
    ) {
        guard outstanding < Self.mostOutstanding else {
            return fail(caller, method, .resourceExhausted, "too many admin requests are waiting")
        }
        outstanding += 1
        let me = NIOLoopBound(self, eventLoop: server.loop)
        let (core, loop) = (core, server.loop)
        Task {
            let result: Result<Answer, any Error>
            do {
                result = .success(try await make(core))
            } catch {
                result = .failure(error)
            }
            loop.execute {
                me.value.outstanding -= 1
                switch result {
                case .success(let message): me.value.answer(caller, method, message)
                case .failure(let error):
                    let refusal = error as? Refusal ?? Refusal(status: .unavailable, words: "the service is ending")
                    me.value.fail(caller, method, refusal.status, refusal.words)
                }
            }
        }
    }

    // MARK: - Inspect

    private func inspect(_ request: WireInspectRequest, _ caller: Caller) throws {
        let entities = try EntityList(request.entities)
        var values: [String: Data] = [:]
        for entity in request.entities { values[entity.dimension] = entity.value }
        relay(caller, .inspect) { done in
            entities.withView { view in
                var view = view
                if core.settings.clock == .request { view.atMs = UInt64(Date().timeIntervalSince1970 * 1000) }
                server.decider.inspect(view) { rules, uses, result in
                    switch result {
                    case .success(let limits):
                        var response = WireInspectResponse()
                        response.generation = rules.set.generation
                        response.usages = Self.usages(rules, uses, limits, values)
                        done(.success(response))
                    case .failure(let failure): done(.failure(Refusal(failure)))
                    }
                }
            }
        }
    }

    private static func usages(
        _ rules: ActiveRules,
        _ uses: [RuleUse],
        _ limits: [InspectedLimit],
        _ values: [String: Data]
    ) -> [WireUsage] {
        var usages: [WireUsage] = []
        for use in uses {
            let variant = rules.set.variants[Int(use.variant)]
            let rule = rules.set.rules[variant.rule]
            for limit in variant.limits where usages.count < limits.count {
                let inspected = limits[usages.count]
                var usage = WireUsage()
                usage.rule = rule.name
                usage.per = rule.per.map { dimension in
                    var entity = WireEntity()
                    entity.dimension = dimension
                    entity.value = values[dimension] ?? Data()
                    return entity
                }
                usage.windowMs = limit.windowMs
                usage.max = limit.max
                usage.used = inspected.used
                usage.verdict = WireVerdict(limit.verdict)
                usage.shadow = rule.shadow
                usage.resetMs = inspected.resetMs
                usage.blockedMs = inspected.blockedMs
                usage.blockStep = UInt32(clamping: inspected.blockStep)
                usage.measure = rule.measure.name
                usage.limit = limit.text
                usages.append(usage)
            }
        }
        return usages
    }

    // MARK: - Reset

    private func reset(_ request: WireResetRequest, _ caller: Caller) throws {
        guard request.rule.utf8.count <= Caps.ruleNameBytes else {
            throw InvalidRequest("a rule's name has up to \(Caps.ruleNameBytes) bytes")
        }
        let key = try EntityList(request.entities).withView { server.decider.key(of: $0) }
        let command = [Array("EVAL".utf8), LuaScripts.reset, [UInt8(ascii: "1")], key, Array(request.rule.utf8)]
        let who: Logger.Metadata = [
            // Which counters, not whose: values stay out of logs.
            "dimensions": "\(request.entities.map(\.dimension).sorted().joined(separator: "&"))",
            "rule": "\(request.rule)", "by": "\(request.by.prefix(200))", "reason": "\(request.reason.prefix(500))",
        ]
        relay(caller, .reset) { done in
            core.drops.drop(key)
            server.decider.perform(command) { [logger, drops = core.drops] result in
                drops.drop(key)
                switch result {
                case .success(let reply) where reply.kind == .integer:
                    logger.notice(
                        "counters reset", metadata: who.merging(["removed": "\(reply.integer(at: 0))"]) { $1 })
                    var response = WireResetResponse()
                    response.removed = UInt64(clamping: reply.integer(at: 0))
                    done(.success(response))
                case .success: done(.failure(Refusal(.malformed)))
                case .failure(let failure): done(.failure(Refusal(failure)))
                }
            }
        }
    }

    // MARK: - Rules and stats

    private func rules(_ caller: Caller) {
        let rules = server.decider.rules
        var response = WireRulesResponse()
        response.generation = rules.set.generation
        response.source = rules.source.path
        response.sha256 = rules.source.sha256
        response.yaml = rules.source.yaml
        response.loadedAtMs = rules.source.loadedAtMs
        response.lastError = core.reloads.withLockedValue { $0.errors.joined(separator: "\n") }
        answer(caller, .rules, response)
    }

    private func top(_ request: WireTopRequest, _ caller: Caller) throws {
        guard request.dimension.utf8.count <= Caps.dimensionBytes else {
            throw InvalidRequest("a dimension has up to \(Caps.dimensionBytes) bytes")
        }
        guard request.count <= TopReport.most else {
            throw InvalidRequest("count is at most \(TopReport.most)")
        }
        let rank: TopRank
        switch request.by {
        case .busy: rank = .busy
        case .refused: rank = .refused
        case .UNRECOGNIZED: throw InvalidRequest("unknown ranking")
        }
        let generation = server.decider.rules.set.generation
        spawn(caller, .top) { core in
            let report = try await core.top(
                by: rank, dimension: request.dimension.isEmpty ? nil : request.dimension,
                count: request.count == 0 ? 10 : Int(request.count))
            var response = WireTopResponse()
            response.windowMs = report.windowMs
            response.generation = generation
            response.entries = report.lines.map { line in
                var entry = WireTopEntry()
                entry.entity = WireEntity(dimension: line.dimension, value: line.value)
                entry.count = line.count
                entry.error = line.error
                return entry
            }
            return response
        }
    }

    /// Has no deadline of its own: a file system that hangs is the operator's to see.
    private func reload(_ request: WireReloadRequest, _ caller: Caller) throws {
        guard let reloader = core.reloader.withLockedValue({ $0 }) else {
            return fail(caller, .reload, .unavailable, "the service is starting")
        }
        spawn(caller, .reload) { _ in
            let outcome = await reloader.reload(.admin, force: request.force)
            var response = WireReloadResponse()
            response.ok = outcome.isInForce
            response.generation = outcome.generation
            response.errors = outcome.errors
            response.changes = outcome.changes
            return response
        }
    }

    private func stats(_ caller: Caller) {
        spawn(caller, .stats) { core in
            var response = WireStatsResponse()
            response.stats = try await core.metrics().flat.map { name, value in
                var stat = WireStat()
                stat.name = name
                stat.value = value
                return stat
            }
            return response
        }
    }
}
