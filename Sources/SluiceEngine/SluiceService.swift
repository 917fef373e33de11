import Foundation
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import SluiceModel
import SluiceWire
import UnixSignals

/// Where a service listens, once it does.
public struct ServiceAddresses: Sendable {
    public var data: Endpoint
    public var admin: Endpoint
    public var http: Endpoint?
    /// `embedded`, or the URL without its password.
    public var redis: String
    public var generation: UInt64

    /// The line that tells a supervisor that the service can answer.
    public var readyLine: String {
        "ready data=\(data) admin=\(admin) http=\(http.map(\.description) ?? "off") redis=\(redis) "
            + "generation=\(generation)"
    }
}

/// A whole Sluice service: listeners, event loops, Redis, rules.
public struct SluiceService: Service {
    /// Whoever asks over HTTP while the service ends may take this long for it.
    private static let httpGrace = Duration.seconds(1)

    private let settings: ServiceSettings
    private let rules: LimitsPath.Loaded?
    private let logger: Logger
    private let whenReady: @Sendable (ServiceAddresses) -> Void

    /// - Parameters:
    ///   - rules: what `settings.limitsPath` held, loaded and checked; nil: no rules, everything is allowed.
    ///   - whenReady: called once, when the service can answer.
    public init(
        settings: ServiceSettings,
        rules: LimitsPath.Loaded?,
        logger: Logger,
        whenReady: @escaping @Sendable (ServiceAddresses) -> Void
    ) {
        self.settings = settings
        self.rules = rules
        self.logger = logger
        self.whenReady = whenReady
    }

    /// Serves until the task's graceful shutdown, then drains: GOAWAY, answers, and only then the end.
    ///
    /// - Throws: what kept it from starting: an address in use, no redis-server, no state directory.
    public func run() async throws {
        try prepareStateDirectory()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: settings.threads)
        var embedded: EmbeddedRedis?
        do {
            let target: RedisTarget
            switch settings.redis {
            case .target(let given): target = given
            case .embedded(let keepsData):
                let redis = try await EmbeddedRedis.start(
                    stateDirectory: settings.stateDirectory, keepsData: keepsData, logger: logger)
                embedded = redis
                target = RedisTarget(endpoint: .unix(path: redis.socket))
            }
            let keeper = embedded.map { redis in Task { await redis.keepAlive() } }
            defer { keeper?.cancel() }
            try await serve(target: target, embedded: embedded, group: group)
            await embedded?.stop()
            try await group.shutdownGracefully()
        } catch {
            await embedded?.stop()
            try? await group.shutdownGracefully()
            throw error
        }
    }

    private func serve(
        target: RedisTarget, embedded: EmbeddedRedis?, group: MultiThreadedEventLoopGroup
    ) async throws {
        let core = ServiceCore(settings: settings, embedded: embedded)
        let active = ActiveRules(
            rules, path: settings.limitsPath ?? "", generation: 1, keyPrefix: settings.keyPrefix
        )
        try await core.start(rules: active, target: target, group: group, logger: logger)
        await waitForRedis(core)
        let listKeeper = ListKeeper(core: core, normalizers: active.file.normalizers, logger: logger)
        core.listKeeper.withLockedValue { $0 = listKeeper }
        // Before the first decision: who is on a list must not slip through while the service starts.
        _ = await listKeeper.pull()
        let watchdog = settings.supervisor?.watch { await core.pulse() }
        defer { watchdog?.cancel() }
        var listeners: [any Channel] = []
        let reloader = Reloader(core: core, rules: rules, generation: 1, logger: logger)
        core.reloader.withLockedValue { $0 = reloader }
        await reloader.recordNow()
        do {
            let most = OpenFiles.connections(for: settings, logger: logger)
            let data = try await Listener(
                .data, core, most: most, mostPerPeer: settings.bounds.connectionsPerPeer ?? max(1, most / 2),
                logger: logger
            ).listen(on: settings.listeners.data, group)
            listeners.append(data)
            let admin = try await Listener(.admin, core, most: settings.bounds.adminConnections, logger: logger)
                .listen(on: settings.adminEndpoint, group)
            listeners.append(admin)
            var addresses = ServiceAddresses(
                data: settings.listeners.data.bound(to: data.localAddress),
                admin: settings.adminEndpoint.bound(to: admin.localAddress),
                http: nil,
                redis: redisName(target),
                generation: 1
            )
            // Before anybody is told that the service runs: until it is trapped, SIGHUP ends the process.
            let hangups = settings.reloads.onHangup ? await UnixSignalsSequence(trapping: .sighup) : nil
            let about = StatusPage.About(
                startedAtMs: UInt64(Date().timeIntervalSince1970 * 1000), redis: redisName(target),
                showsValues: settings.showsValues)
            try await withHTTP(core, about) { http in
                addresses.http = http
                whenReady(addresses)
                await settings.supervisor?.ready("serving, generation 1")
                logger.info("serving", metadata: ["data": "\(addresses.data)", "redis": "\(addresses.redis)"])
                let triggers = runInBackground(reloader, core, hangups)
                try? await gracefulShutdown()
                for trigger in triggers { trigger.cancel() }
                // HTTP goes last: probes see a service that is not ready rather than none.
                core.isDraining.withLockedValue { $0 = true }
                logger.info("draining")
                await settings.supervisor?.stopping()
                for listener in listeners { try? await listener.close() }
                await core.drain(grace: settings.timeouts.drain)
            }
        } catch {
            for listener in listeners { try? await listener.close() }
            await core.shutDown()
            throw error
        }
        await core.shutDown()
        logger.info("drained")
    }

    private func runInBackground(
        _ reloader: Reloader, _ core: ServiceCore, _ hangups: UnixSignalsSequence?
    ) -> [Task<Void, Never>] {
        var triggers: [Task<Void, Never>] = []
        if let hangups {
            triggers.append(Task { for await _ in hangups { _ = await reloader.reload(.hangup) } })
        }
        triggers.append(Task { await reloader.recordWindows() })
        if let listKeeper = core.listKeeper.withLockedValue({ $0 }) {
            triggers.append(Task { await listKeeper.run() })
        }
        if settings.reloads.watch, let path = settings.limitsPath {
            let watch = LimitsWatch(path: path, spread: settings.reloads.spread)
            triggers.append(Task { await watch.run { _ = await reloader.reload(.watch) } })
        }
        return triggers
    }

    private func redisName(_ target: RedisTarget) -> String {
        switch settings.redis {
        case .embedded: "embedded"
        case .target: "\(target)"
        }
    }

    /// The state directory is this user's alone: it holds the admin socket.
    private func prepareStateDirectory() throws {
        do {
            try FileManager.default.createDirectory(
                atPath: settings.stateDirectory,
                withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700]
            )
        } catch {
            throw EmbeddedRedisError.stateDirectory(path: settings.stateDirectory, why: error.localizedDescription)
        }
    }

    /// Redis that answers is waited for a moment; one that does not is not: the service answers by policy until then.
    private func waitForRedis(_ core: ServiceCore) async {
        for _ in 0..<200 {
            if await core.isRedisConnected() { return }
            try? await Task.sleep(for: .milliseconds(10))
        }
        logger.warning("starting without Redis: answering by policy until it can be reached")
    }

    /// Runs `body` with the HTTP listener up, if there is one, and ends it afterwards.
    private func withHTTP(
        _ core: ServiceCore,
        _ about: StatusPage.About,
        _ body: (Endpoint?) async throws -> Void
    ) async throws {
        guard let endpoint = settings.listeners.http else { return try await body(nil) }
        // A loop of its own: whoever asks over HTTP takes nothing from the loops that decide.
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        do {
            try await withHTTP(core, about, at: endpoint, on: group, body)
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
        try await group.shutdownGracefully()
    }

    private func withHTTP(
        _ core: ServiceCore,
        _ about: StatusPage.About,
        at endpoint: Endpoint,
        on group: MultiThreadedEventLoopGroup,
        _ body: (Endpoint?) async throws -> Void
    ) async throws {
        let (bound, announce) = AsyncStream.makeStream(of: Endpoint.self)
        let board = Board(core: core, about: about)
        let application = HTTPServer.application(
            at: endpoint,
            group: group,
            logger: logger,
            pages: HTTPServer.Pages(
                readiness: { await core.readiness() },
                metrics: { await board.metricsText() },
                status: { await board.statusJSON() }
            ),
            bound: { announce.yield($0) }
        )
        let sampling = Task { await board.sample() }
        defer { sampling.cancel() }
        let silent = Logger(label: "http") { _ in SwiftLogNoOpLogHandler() }
        let services = ServiceGroup(configuration: .init(services: [application], logger: silent))
        // Detached: it must not end with the others when the service is told to, but after they have drained.
        let http = Task.detached {
            defer { announce.finish() }
            try await services.run()
        }
        var addresses = bound.makeAsyncIterator()
        guard let address = await addresses.next() else {
            do {
                try await http.value
            } catch {
                throw ListenError(endpoint: endpoint, error)
            }
            return
        }
        do {
            try await body(address)
        } catch {
            http.cancel()
            throw error
        }
        await services.triggerGracefulShutdown()
        // It waits for requests that are under way, and a client may never finish one.
        let late = Task {
            try await Task.sleep(for: Self.httpGrace)
            http.cancel()
        }
        _ = await http.result
        late.cancel()
    }
}
