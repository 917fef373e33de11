import Logging
import NIOConcurrencyHelpers
import NIOCore
import SluiceModel

/// All that lives on one event loop: its clients, its Redis connection and its rule snapshot.
final class Lane {
    let decider: Decider
    let server: LoopServer

    init(loop: any EventLoop, rules: ActiveRules, target: RedisTarget, core: ServiceCore, logger: Logger) {
        decider = Decider(
            loop: loop, settings: core.settings, rules: rules, target: target, drops: core.drops, logger: logger)
        server = LoopServer(loop: loop, decider: decider, settings: core.settings)
        server.admin = AdminMethods(server: server, core: core, logger: logger)
    }
}

/// The lanes of a service, reached from outside by a hop to each loop.
final class ServiceCore: Sendable {
    /// One lane as it is seen from other threads.
    struct Handle: Sendable {
        let loop: any EventLoop
        let lane: NIOLoopBound<Lane>

        /// Runs `body` on the lane's loop.
        func run<R: Sendable>(_ body: @escaping @Sendable (Lane) -> R) -> EventLoopFuture<R> {
            loop.submit { body(lane.value) }
        }
    }

    let settings: ServiceSettings
    /// What the deny caches of all lanes no longer hold.
    let drops = RefusalDrops()
    let reloads = NIOLockedValueBox(ReloadStatus())
    /// Set once, before anybody can ask for a reload.
    let reloader = NIOLockedValueBox<Reloader?>(nil)
    /// Set once, as soon as there are lanes.
    let listKeeper = NIOLockedValueBox<ListKeeper?>(nil)
    /// Set when the service begins to end: it takes no new work from then on.
    let isDraining = NIOLockedValueBox(false)
    private let handles = NIOLockedValueBox<[Handle]>([])

    /// How often listeners had to pause.
    let accepts = AcceptCount()
    /// Its private Redis, if it has one.
    let embedded: EmbeddedRedis?

    init(settings: ServiceSettings, embedded: EmbeddedRedis? = nil) {
        self.settings = settings
        self.embedded = embedded
    }

    var lanes: [Handle] { handles.withLockedValue { $0 } }

    /// Makes a lane on every loop of `group` and starts its link.
    func start(rules: ActiveRules, target: RedisTarget, group: any EventLoopGroup, logger: Logger) async throws {
        for loop in group.makeIterator() {
            let lane = try await loop.submit {
                let lane = Lane(loop: loop, rules: rules, target: target, core: self, logger: logger)
                lane.decider.start()
                return NIOLoopBound(lane, eventLoop: loop)
            }.get()
            handles.withLockedValue { $0.append(Handle(loop: loop, lane: lane)) }
        }
    }

    /// Puts a rule set in force everywhere; returns when every loop has swapped.
    func use(_ rules: ActiveRules) async {
        for handle in lanes { try? await handle.run { $0.decider.use(rules) }.get() }
        await listKeeper.withLockedValue { $0 }?.use(rules.file.normalizers)
    }

    /// Returns when every event loop has taken a turn: a service with a stuck one does not live.
    func pulse() async {
        for handle in lanes { try? await handle.run { _ in }.get() }
    }

    /// Whether every lane's Redis connection is ready.
    func isRedisConnected() async -> Bool {
        for handle in lanes {
            guard let ready = try? await handle.run({ $0.decider.isRedisReady }).get(), ready else { return false }
        }
        return true
    }

    /// Sends GOAWAY to every client and returns when all have their answers, or when `grace` is over.
    func drain(grace: TimeAmount) async {
        await withTaskGroup(of: Void.self) { tasks in
            for handle in lanes {
                tasks.addTask {
                    let drained = handle.loop.flatSubmit { () -> EventLoopFuture<Void> in
                        let server = handle.lane.value.server
                        let late = server.loop.scheduleTask(in: grace) { handle.lane.value.server.closeAll() }
                        return server.drain().always { _ in late.cancel() }
                    }
                    try? await drained.get()
                }
            }
        }
    }

    /// Ends the links. The loops may be shut down afterwards.
    func shutDown() async {
        for handle in lanes { try? await handle.run { $0.decider.shutDown() }.get() }
    }
}
