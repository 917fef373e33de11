import Foundation
import Logging

/// How many client connections the process has descriptors for.
enum OpenFiles {
    /// Kept for everything else: limits files, Redis, the loops' own, HTTP. At most half of what there is.
    private static let reserve = 64
    private static let reservePerLoop = 8

    /// Raises the soft limit as far as it is needed and allowed, and cuts what is wanted to what is left of it then.
    ///
    /// - Returns: connections that the data listener may have at once.
    static func connections(for settings: ServiceSettings, logger: Logger) -> Int {
        let wanted = settings.bounds.connections
        let kept = reserve + reservePerLoop * settings.threads + settings.bounds.adminConnections
        let limit = raised(to: wanted + kept)
        let most = connections(wanted: wanted, reserve: kept, limit: limit)
        if most < wanted {
            logger.warning(
                "the limit of open files allows fewer connections than bounds.connections; raise it (LimitNOFILE)",
                metadata: ["open_files": "\(limit)", "connections": "\(most)"])
        }
        return most
    }

    static func connections(wanted: Int, reserve: Int, limit: Int) -> Int {
        min(wanted, max(1, limit - min(reserve, limit / 2)))
    }

    /// - Returns: the limit then.
    private static func raised(to needed: Int) -> Int {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return 1_024 }
        if limit.rlim_cur < rlim_t(needed) {
            var higher = limit
            higher.rlim_cur = min(rlim_t(needed), limit.rlim_max)
            if setrlimit(resource, &higher) == 0 { limit = higher }
        }
        return Int(clamping: limit.rlim_cur)
    }
}
