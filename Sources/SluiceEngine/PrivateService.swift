import Foundation
import Logging
import ServiceLifecycle
import SluiceModel
import SluiceWire

/// A whole service inside this process, on a Unix socket in a folder of its own, with a private Redis: for replays and
/// trials. It has no deadline: every request is decided by Redis.
public enum PrivateService {
    /// Runs `body` with the service up, and ends it afterwards.
    ///
    /// - Throws: what `body` throws, or what kept the service from starting, `EmbeddedRedisError` above all.
    public static func run<R: Sendable>(
        limits: LimitsPath.Loaded,
        clock: ServiceSettings.Clock,
        threads: Int = 1,
        _ body: @Sendable @escaping (Endpoint) async throws -> R
    ) async throws -> R {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "sluice-\(UUID().uuidString.prefix(8))")
        defer { try? FileManager.default.removeItem(at: folder) }
        var settings = ServiceSettings()
        settings.stateDirectory = folder.path
        settings.redis = .embedded(keepsData: false)
        settings.listeners.data = .unix(path: "\(folder.path)/data.sock")
        settings.listeners.http = nil
        settings.clock = clock
        // Its one client is not to be held back for another's sake.
        settings.bounds.fairAbove = settings.bounds.waitingPerLoop
        settings.timeouts.connectionAge = nil
        settings.deadlines.standard = nil
        settings.threads = threads
        settings.reloads.onHangup = false
        settings.reloads.watch = false
        let (ready, announce) = AsyncStream.makeStream(of: ServiceAddresses.self)
        var logger = Logger(label: "sluice")
        logger.logLevel = .error
        let service = SluiceService(settings: settings, rules: limits, logger: logger) { announce.yield($0) }
        let group = ServiceGroup(
            configuration: .init(
                services: [service],
                logger: Logger(label: "lifecycle") { _ in
                    SwiftLogNoOpLogHandler()
                }))
        return try await withThrowingTaskGroup(of: R?.self) { tasks in
            tasks.addTask {
                defer { announce.finish() }
                try await group.run()
                return nil
            }
            tasks.addTask {
                var addresses = ready.makeAsyncIterator()
                guard let address = await addresses.next() else { return nil }
                return try await body(address.data)
            }
            var result: R?
            var failure: (any Error)?
            while let next = await tasks.nextResult() {
                switch next {
                case .success(let value?):
                    result = value
                    await group.triggerGracefulShutdown()
                case .success(nil): break
                case .failure(let error):
                    failure = failure ?? error
                    await group.triggerGracefulShutdown()
                }
            }
            if let failure { throw failure }
            guard let result else { throw CancellationError() }
            return result
        }
    }
}
