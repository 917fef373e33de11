import Foundation
import LuaScripts
import NIOCore
import SluiceModel
import SluiceWire
import SwiftProtobuf

/// The methods that operators use: inspect, reset, rules, stats. One for each event loop.
final class AdminMethods {
    private unowned let server: LoopServer
    private unowned let core: ServiceCore

    init(server: LoopServer, core: ServiceCore) {
        self.server = server
        self.core = core
    }

    func take(_ header: FrameHeader, _ payload: ByteBuffer, _ caller: Caller) throws {
        switch header.method {
        case .inspect: try inspect(try message(payload), caller)
        case .reset: try reset(try message(payload), caller)
        case .rules: rules(caller)
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

    // MARK: - Inspect

    private func inspect(_ request: WireInspectRequest, _ caller: Caller) throws {
        let entities = try EntityList(request.entities)
        var values: [String: Data] = [:]
        for entity in request.entities { values[entity.dimension] = entity.value }
        entities.withView { view in
            var view = view
            if core.settings.clock == .request { view.atMs = UInt64(Date().timeIntervalSince1970 * 1000) }
            server.decider.inspect(view) { [weak self] rules, uses, result in
                self?.report(rules, uses, result, values, caller)
            }
        }
    }

    private func report(
        _ rules: ActiveRules,
        _ uses: [RuleUse],
        _ result: Result<[InspectedLimit], InspectionFailure>,
        _ values: [String: Data],
        _ caller: Caller
    ) {
        var response = WireInspectResponse()
        response.generation = rules.set.generation
        switch result {
        case .success(let limits):
            response.usages = usages(rules, uses, limits, values)
            answer(caller, .inspect, response)
        case .failure(.unreadable):
            fail(caller, .inspect, .internal, "a counter of these entities was written by another version")
        case .failure(.redis(let failure)):
            fail(caller, .inspect, .unavailable, "Redis does not answer: \(failure.rawValue)")
        }
    }

    private func usages(
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
        let key = try EntityList(request.entities).withView { view in
            EntityKeyWriter.key(prefix: core.settings.keyPrefix, of: view)
        }
        let command = ["EVAL".utf8.map { $0 }, LuaScripts.reset, [UInt8(ascii: "1")], key, Array(request.rule.utf8)]
        server.decider.link.send(command) { [weak self] outcome in
            switch outcome {
            case .reply(let reply) where reply.kind == .integer:
                var response = WireResetResponse()
                response.removed = UInt64(clamping: reply.integer(at: 0))
                self?.answer(caller, .reset, response)
            case .reply(let reply) where reply.kind == .error:
                self?.fail(caller, .reset, .unavailable, "Redis refused: \(reply.string.prefix(200))")
            case .reply:
                self?.fail(caller, .reset, .internal, "Redis sent another reply than the script's")
            case .failed(let failure):
                let status: WireStatus = failure == .disconnected ? .unavailable : .internal
                self?.fail(caller, .reset, status, "Redis does not answer: \(failure.rawValue)")
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
        response.lastError = core.lastReloadError.withLockedValue { $0 }
        answer(caller, .rules, response)
    }

    private func stats(_ caller: Caller) {
        let me = NIOLoopBound(self, eventLoop: server.loop)
        core.collectStats(on: server.loop).whenComplete { result in
            guard case .success(let stats) = result else { return }
            var response = WireStatsResponse()
            response.stats = stats.map { name, value in
                var stat = WireStat()
                stat.name = name
                stat.value = value
                return stat
            }
            me.value.answer(caller, .stats, response)
        }
    }
}
