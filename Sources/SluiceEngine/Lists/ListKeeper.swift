import Foundation
import Logging
import NIOCore
import SluiceModel

/// The lists that operators keep, as this process knows them: follows those in Redis and hands every change to all
/// event loops. One for a process.
///
/// While Redis is away the lists stay as they were last seen.
actor ListKeeper {
    /// Others' changes are in force within this and a round trip.
    private static let pause = Duration.milliseconds(250)
    /// How long one page waits for Redis.
    private static let patience = TimeAmount.milliseconds(800)
    /// A clock is compared only by a reply that came this fast; half of it is how wrong the comparison may be.
    private static let fastReply = Duration.milliseconds(50)
    /// A difference of clocks that is taken up, in ms.
    private static let clockGrain: Int64 = 50

    private let core: ServiceCore
    private let logger: Logger
    private var follower = ListingFollower()
    private var builder: KeptListsBuilder
    private var catalogue = ListingCatalogue()
    /// Whether the loops have what `builder` made last.
    private var isHandedOver = true
    private var lastSuccess: ContinuousClock.Instant?
    private var isFailureTold = false
    /// The pull that runs or ran last, and the one that is yet to begin.
    private var running: Task<Bool, Never>?
    private var next: Task<Bool, Never>?

    init(core: ServiceCore, normalizers: [String: Normalizer], logger: Logger) {
        self.core = core
        self.logger = logger
        builder = KeptListsBuilder(normalizers: normalizers)
    }

    /// Follows Redis until cancelled.
    func run() async {
        while !Task.isCancelled {
            _ = await pull()
            // Instances that started together must not ask together.
            try? await Task.sleep(for: Self.pause * Double.random(in: 0.8...1.2))
        }
    }

    /// Takes up every change there is by now; returns when all loops have them.
    ///
    /// - Returns: false if Redis does not answer.
    func pull() async -> Bool {
        if let next { return await next.value }
        let before = running
        let task = Task {
            _ = await before?.value
            // Who asks from here on may know of a change that this one misses.
            next = nil
            return await pullNow()
        }
        (running, next) = (task, task)
        return await task.value
    }

    /// The rules have another way to write values: what is listed is matched with those.
    func use(_ normalizers: [String: Normalizer]) async {
        guard builder.use(normalizers, listings: follower.listings) else { return }
        isHandedOver = false
        await handOver()
    }

    /// What is listed, page by page.
    func page(_ query: ListingQuery, file: LimitsFile) -> ListingCatalogue.Page {
        let redisTimeMs = builder.lists.redisTimeMs(at: Self.nowMs)
        return catalogue.page(query, kept: follower.listings, file: file, redisTimeMs: redisTimeMs)
    }

    func status() -> ListStatus {
        ListStatus(
            counts: catalogue.counts(of: follower.listings),
            ageSeconds: lastSuccess.map { $0.duration(to: .now) / .seconds(1) })
    }

    // MARK: - Following

    private func pullNow() async -> Bool {
        while true {
            let since = follower.version
            let start = ContinuousClock.now
            let result = await core.ask(
                ListingScript.poll(since: since, keyPrefix: core.settings.keyPrefix), patience: Self.patience
            ) { ListingPage($0, since: since) }
            switch result {
            case .failure(let failure): return await end(failure)
            case .success(let answer):
                compareClocks(answer.content.redisTimeMs, took: .now - start)
                switch follower.take(answer.content, from: answer.source) {
                case .more(let changed): update(changed)
                case .current(let changed):
                    update(changed)
                    return await end(nil)
                case .renewed:
                    builder.rebuild(from: follower.listings)
                    hasChanged()
                    return await end(nil)
                case .broken: return await end(.malformed)
                }
            }
        }
    }

    private func update(_ changed: [ListingField]) {
        guard !changed.isEmpty else { return }
        builder.update(changed, in: follower.listings)
        hasChanged()
    }

    private func hasChanged() {
        catalogue.forget()
        isHandedOver = false
    }

    /// - Parameter failure: nil if all has been read.
    private func end(_ failure: RedisFailure?) async -> Bool {
        if let failure {
            if !isFailureTold {
                logger.warning(
                    "the lists cannot be read, the last known ones hold", metadata: ["class": "\(failure.rawValue)"])
            }
            isFailureTold = true
        } else {
            isFailureTold = false
            lastSuccess = .now
        }
        await handOver()
        return failure == nil
    }

    private func handOver() async {
        guard !isHandedOver else { return }
        isHandedOver = true
        let lists = builder.lists
        for handle in core.lanes { try? await handle.run { $0.decider.lists.use(lists) }.get() }
    }

    /// Listings end by the clock of Redis, which may not be this host's.
    private func compareClocks(_ redisTimeMs: UInt64, took: Duration) {
        guard took <= Self.fastReply else { return }
        let aheadMs = Int64(clamping: redisTimeMs) &- Int64(clamping: Self.nowMs)
        guard abs(aheadMs &- builder.lists.clockAheadMs) >= Self.clockGrain else { return }
        builder.setClock(aheadMs: aheadMs)
        isHandedOver = false
    }

    private static var nowMs: UInt64 { UInt64(Date().timeIntervalSince1970 * 1000) }
}

/// How the lists that operators keep are doing, for the metrics.
struct ListStatus: Sendable {
    var counts: [ListKind: Int] = [:]
    /// Since Redis was last read; nil: never.
    var ageSeconds: Double?
}
