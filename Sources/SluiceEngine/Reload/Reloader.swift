import Logging
import SluiceModel

/// Puts the limits file in force again while the service runs. A bad file leaves the rules as they are.
actor Reloader {
    private let core: ServiceCore
    private let logger: Logger
    private var generation: UInt64

    init(core: ServiceCore, generation: UInt64, logger: Logger) {
        self.core = core
        self.generation = generation
        self.logger = logger
    }

    /// Reads, checks, compiles and swaps; returns when every event loop has swapped.
    func reload() async {
        guard let path = core.settings.limitsPath else {
            logger.warning("nothing to reload: started without a limits file")
            return
        }
        do throws(LimitsFileError) {
            let loaded = try LimitsPath(path).load()
            for warning in loaded.warnings { logger.warning("\(warning)") }
            generation += 1
            await core.use(ActiveRules(loaded, path: path, generation: generation, keyPrefix: core.settings.keyPrefix))
            core.lastReloadError.withLockedValue { $0 = "" }
            logger.notice("rules reloaded", metadata: ["generation": "\(generation)", "sha256": "\(loaded.sha256)"])
        } catch {
            core.lastReloadError.withLockedValue { $0 = error.description }
            logger.error("the limits file is bad, the rules stay", metadata: ["generation": "\(generation)"])
            for diagnostic in error.diagnostics { logger.error("\(diagnostic)") }
        }
    }
}
