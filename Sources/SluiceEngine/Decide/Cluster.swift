import Logging
import NIOCore
import SluiceWire

/// The nodes of a Redis Cluster as one event loop knows them: a queue for each primary, and which slot is whose.
///
/// The map is asked for when there is none, when a node is lost, when a node says that it no longer serves a slot, and
/// every few seconds; of a node that sees the cluster as failed it is not taken.
final class Cluster {
    private static let longestAge = TimeAmount.seconds(10)
    private static let shortestAge = TimeAmount.milliseconds(100)
    private static let patience = TimeAmount.milliseconds(500)
    /// Runs that wait for a slot to come to rest, at most.
    private static let mostHeld = 4_096
    private static let pause = TimeAmount.milliseconds(10)

    private let target: RedisTarget
    private let seeds: [Endpoint]
    private unowned let decider: Decider
    private let logger: Logger
    private(set) var map: SlotMap?
    private var queueOfNode: [Endpoint: RunQueue] = [:]
    /// Runs that a node will take a moment later.
    private(set) var held: [Batch] = []
    private var isAsking = false
    private var isRefreshDue = false
    private var askedAt = NIODeadline.distantPast
    private var mappedAt = NIODeadline.distantPast
    private var watch: RepeatedTask?

    /// - Parameter target: credentials and TLS of every node.
    init(target: RedisTarget, seeds: [Endpoint], decider: Decider, logger: Logger) {
        self.target = target
        self.seeds = seeds
        self.decider = decider
        self.logger = logger
    }

    func start() {
        for seed in seeds { _ = queue(at: seed) }
        let me = NIOLoopBound(self, eventLoop: decider.loop)
        watch = decider.loop.scheduleRepeatedTask(initialDelay: Self.shortestAge, delay: Self.shortestAge) { _ in
            me.value.look()
        }
    }

    func shutDown() {
        watch?.cancel()
        for run in held { decider.fail(run, .disconnected) }
        held = []
    }

    var queues: [RunQueue] { Array(queueOfNode.values) }

    /// Whether every slot's node can be asked.
    var isReady: Bool {
        guard let map else { return false }
        return map.primaries.allSatisfy { queueOfNode[$0]?.link.isReady == true }
    }

    /// Who serves `slot`; nil while nobody is known to.
    func queue(of slot: Int) -> RunQueue? { map?.primary(of: slot).flatMap { queueOfNode[$0] } }

    /// The queue to a node; one is made where there is none yet.
    func queue(at node: Endpoint) -> RunQueue? {
        if let known = queueOfNode[node] { return known }
        guard queueOfNode.count < SlotMap.mostNodes else { return nil }
        let link = RedisLink(
            target: target.node(node), loop: decider.loop, logger: logger,
            stallLimit: decider.settings.deadlines.stallLimit, scripts: LoadedScript.ofNode)
        let queue = RunQueue(link: link, decider: decider)
        queueOfNode[node] = queue
        decider.queuesChanged()
        queue.start()
        return queue
    }

    // MARK: - The map

    /// The map may be wrong.
    func refresh() {
        isRefreshDue = true
        look()
    }

    private func look() {
        let now = NIODeadline.now()
        retire()
        let isDue = isRefreshDue || map == nil || !isReady || now - mappedAt > Self.longestAge
        guard isDue, !isAsking, now - askedAt >= Self.shortestAge else { return }
        guard let (node, queue) = queueOfNode.filter({ $0.value.link.isReady }).randomElement() else {
            // Nobody is left of those that serve slots: anybody who may know who does.
            for node in seeds + (map?.nodes ?? []) { _ = self.queue(at: node) }
            return
        }
        (isAsking, askedAt, isRefreshDue) = (true, now, false)
        ask(queue, ["CLUSTER", "INFO"]) { [weak self] reply in
            guard let self else { return }
            // One that is cut off from the others still believes in what was.
            guard let reply, reply.string.contains("cluster_state:ok") || map == nil else {
                isAsking = false
                return
            }
            ask(queue, ["CLUSTER", "SLOTS"]) { [weak self] reply in
                self?.isAsking = false
                if let map = reply.flatMap({ SlotMap($0, asked: node) }) { self?.use(map) }
            }
        }
    }

    private func ask(_ queue: RunQueue, _ words: [String], _ done: @escaping (Reply?) -> Void) {
        let batch = queue.takeBatch()
        batch.set(command: words.map { Array($0.utf8) })
        batch.expires = .now() + Self.patience
        batch.completion = { result in done(try? result.get()) }
        queue.enqueue(batch)
    }

    private func use(_ next: SlotMap) {
        if map.map({ Set($0.primaries) }) != Set(next.primaries) {
            let names = next.primaries.map(\.description).sorted().joined(separator: " ")
            logger.info("the cluster's primaries", metadata: ["nodes": "\(names)"])
        }
        map = next
        mappedAt = .now()
        for node in next.primaries { _ = queue(at: node) }
        decider.scheduleTurn()
    }

    /// Lets go of nodes that serve no slot any more and have nothing left to answer.
    private func retire() {
        guard let map, isReady else { return }
        let idle = queueOfNode.filter { !map.primaries.contains($0.key) && $0.value.isIdle }
        guard !idle.isEmpty else { return }
        for (node, queue) in idle {
            queueOfNode[node] = nil
            queue.link.shutDown()
        }
        decider.queuesChanged()
    }

    // MARK: - Redirections

    /// Sends a run where its node says that it belongs.
    ///
    /// - Returns: false if it is of no use to try.
    func follow(_ redirect: Redirect, _ run: Batch) -> Bool {
        run.hops += 1
        guard run.hops <= Batch.mostHops, run.isWanted else { return false }
        switch redirect {
        case .moved(let slot, let node):
            guard 0..<KeySlot.count ~= slot, let queue = queue(at: node) else { return false }
            map?.move(slot, to: node)
            refresh()
            run.isAsking = false
            queue.enqueue(run)
        case .ask(_, let node):
            guard let queue = queue(at: node) else { return false }
            run.isAsking = true
            queue.enqueue(run)
        case .tryAgain, .clusterDown:
            guard held.count < Self.mostHeld else { return false }
            if redirect == .clusterDown { refresh() }
            held.append(run)
            let me = NIOLoopBound(self, eventLoop: decider.loop)
            if held.count == 1 { decider.loop.scheduleTask(in: Self.pause) { me.value.sendHeld() } }
        case .crossSlot: return false
        }
        return true
    }

    private func sendHeld() {
        let runs = held
        held = []
        for run in runs {
            guard run.isWanted else { continue }
            guard let queue = queue(of: run.slot) else {
                decider.fail(run, .cluster)
                continue
            }
            run.isAsking = false
            queue.enqueue(run)
        }
    }
}
