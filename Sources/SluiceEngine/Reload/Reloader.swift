import Foundation
import Logging
import NIOPosix
import SluiceModel

/// Puts the limits file in force again while the service runs. A bad file, or one that breaks a guardrail of the rules
/// in force, leaves the rules as they are.
actor Reloader {
    /// What asked for a reload.
    enum Trigger: String, Sendable {
        case hangup
        case watch
        case admin
    }

    struct Outcome: Sendable {
        var isInForce: Bool
        /// Of the rules in force now.
        var generation: UInt64
        /// Why they are not the file's, a line each.
        var errors: [String] = []
        /// What the file changes, or would change, a line each.
        var changes: [String] = []
    }

    private let core: ServiceCore
    private let logger: Logger
    private var inForce: LimitsPath.Loaded?
    private var generation: UInt64
    private let registry: WindowRegistry
    /// What the supervisor was told last.
    private var generationTold: UInt64
    /// Whether Redis knows the windows in force.
    private var areWindowsRecorded = false
    /// Reloads happen one after the other, in the order they were asked for.
    private var last: Task<Outcome, Never>?

    /// - Parameter rules: in force with `generation`.
    init(core: ServiceCore, rules: LimitsPath.Loaded?, generation: UInt64, logger: Logger) {
        self.core = core
        registry = WindowRegistry(core: core)
        inForce = rules
        self.generation = generation
        generationTold = generation
        self.logger = logger
    }

    /// Reads, checks, compiles and swaps; returns when every event loop has swapped.
    ///
    /// - Parameter force: even past the guardrails, never past an error.
    func reload(_ trigger: Trigger, force: Bool = false) async -> Outcome {
        let before = last
        let task = Task {
            _ = await before?.value
            // What was only looked at is no reload.
            if trigger != .watch { await core.settings.supervisor?.reloading() }
            let outcome = await reloadNow(trigger, force: force)
            let failed = outcome.isInForce ? "" : ", the last reload failed"
            if trigger != .watch || outcome.generation != generationTold || !outcome.isInForce {
                generationTold = outcome.generation
                await core.settings.supervisor?.ready("serving, generation \(outcome.generation)\(failed)")
            }
            return outcome
        }
        last = task
        return await task.value
    }

    /// Keeps the windows in force recorded in Redis, until cancelled: as soon as Redis is there, and once a day.
    func recordWindows() async {
        var sinceRecorded = Duration.zero
        while !Task.isCancelled {
            if !areWindowsRecorded || sinceRecorded >= Self.recordsEvery {
                await recordNow()
                sinceRecorded = .zero
            }
            try? await Task.sleep(for: Self.recordPause)
            sinceRecorded += Self.recordPause
        }
    }

    /// In the queue of reloads, so that it is the rules in force that are recorded.
    func recordNow() async {
        let before = last
        let task = Task {
            let outcome = await before?.value ?? Outcome(isInForce: true, generation: generation)
            guard let rules = try? await core.lanes.first?.run({ $0.decider.rules }).get(),
                let births = await registry.register(rules)
            else { return outcome }
            areWindowsRecorded = true
            if births != rules.births { await core.use(rules.with(births: births)) }
            return outcome
        }
        last = task
        _ = await task.value
    }

    /// Changes of one reload that are logged one by one.
    private static let mostLogged = 100
    private static let recordPause = Duration.seconds(1)
    private static let recordsEvery = Duration.seconds(86_400)

    private func reloadNow(_ trigger: Trigger, force: Bool) async -> Outcome {
        guard let path = core.settings.limitsPath else {
            logger.warning("nothing to reload: started without a limits file")
            return refuse(.badFile, ["the service was started without a limits file"], [], trigger)
        }
        let loaded: LimitsPath.Loaded
        do {
            // A file system may hang; the loops and the tasks of others do not wait for it.
            loaded = try await NIOThreadPool.singleton.runIfActive { try LimitsPath(path).load() }
        } catch let error as LimitsFileError {
            return refuse(.badFile, error.diagnostics.map(\.description), [], trigger)
        } catch {
            return refuse(.badFile, ["\(path): cannot be read"], [], trigger)
        }
        // What the watch saw change may have been changed back, or taken up by a signal meanwhile.
        if trigger == .watch, loaded.sha256 == inForce?.sha256, core.reloads.withLockedValue({ $0.errors.isEmpty }) {
            return Outcome(isInForce: true, generation: generation)
        }
        let old = inForce?.file ?? LimitsFile(rules: [])
        let changed = LimitsChange.changes(from: old, to: loaded.file)
        let changes = changed.map(\.description)
        let violations = force ? [] : old.guardrails.violations(from: old, to: loaded.file)
        guard violations.isEmpty else { return refuse(.refused, violations, changes, trigger) }

        for warning in loaded.warnings { logger.warning("\(warning)") }
        generation += 1
        let rules = ActiveRules(loaded, path: path, generation: generation, keyPrefix: core.settings.keyPrefix)
        let births = await registry.register(rules)
        areWindowsRecorded = births != nil
        await core.use(births.map { $0.isEmpty ? rules : rules.with(births: $0) } ?? rules)
        inForce = loaded
        core.reloads.withLockedValue { $0.record(.ok, atMs: Self.nowMs) }
        logger.notice(
            "rules reloaded",
            metadata: [
                "trigger": "\(trigger.rawValue)", "generation": "\(generation)", "sha256": "\(loaded.sha256)",
                "changes": "\(changes.count)",
            ]
        )
        for change in changed.prefix(Self.mostLogged) {
            logger.notice("\(change.discreet)", metadata: ["generation": "\(generation)"])
        }
        return Outcome(isInForce: true, generation: generation, changes: changes)
    }

    private func refuse(
        _ outcome: ReloadStatus.Outcome,
        _ errors: [String],
        _ changes: [String],
        _ trigger: Trigger
    ) -> Outcome {
        core.reloads.withLockedValue { $0.record(outcome, errors: errors, atMs: Self.nowMs) }
        logger.error(
            outcome == .refused
                ? "a guardrail refuses the limits file, the rules stay" : "the limits file is bad, the rules stay",
            metadata: ["trigger": "\(trigger.rawValue)", "generation": "\(generation)"]
        )
        for error in errors { logger.error("\(error)", metadata: ["generation": "\(generation)"]) }
        return Outcome(isInForce: false, generation: generation, errors: errors, changes: changes)
    }

    private static var nowMs: UInt64 { UInt64(Date().timeIntervalSince1970 * 1000) }
}
