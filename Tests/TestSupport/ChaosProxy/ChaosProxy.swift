import Foundation
import Synchronization

/// Stands between a service and its Redis, on a loopback port, and does to their bytes what networks do. Forwards
/// faithfully until told otherwise. Faults act on what arrives from then on, freezing on what is on its way too.
///
/// One thread of its own does everything, so that a delay of one connection delays no other.
public final class ChaosProxy: Sendable {
    public enum Upstream: Sendable {
        case unix(path: String)
        /// Of 127.0.0.1.
        case port(Int)
    }

    public struct NotBound: Error {}

    /// What the thread is told, and what it tells.
    struct Shared {
        var toRedis = ProxyFaults()
        var toClients = ProxyFaults()
        var upstream: Upstream
        var refuses = false
        var rewrites: (@Sendable ([UInt8]) -> [UInt8])?
        var swallowsNew = false
        var traps: [(trap: ProxyTrap, command: String)] = []
        var orders: [Order] = []
        var counts = ProxyCounts()
        var isStopped = false
        var hasEnded = false
    }

    /// Something done once to all connections that there are.
    enum Order: Sendable {
        case close
        case reset
        /// Their bytes vanish, and no end is told of the other's.
        case swallow
    }

    /// Of 127.0.0.1.
    public let port: Int
    private let shared: ProxyShared

    /// - Parameter seed: of the jitter.
    public init(to upstream: Upstream, seed: UInt64 = 1) throws {
        guard let listener = ProxySocket.listen(port: 0) else { throw NotBound() }
        let port = ProxySocket.port(of: listener)
        self.port = port
        let shared = try ProxyShared(Shared(upstream: upstream))
        self.shared = shared
        let thread = Thread {
            var loop = ProxyLoop(shared: shared, listener: listener, port: port, seed: seed)
            loop.run()
            shared.state.withLock { $0.hasEnded = true }
        }
        thread.name = "chaos-proxy"
        thread.start()
    }

    deinit { stop() }

    /// For a service.
    public var url: String { "redis://127.0.0.1:\(port)" }
    public var counts: ProxyCounts { shared.state.withLock { $0.counts } }

    /// Closes everything, and waits for that.
    public func stop() {
        shared.change { $0.isStopped = true }
        while !shared.state.withLock({ $0.hasEnded }) { usleep(500) }
    }

    // MARK: - Faults that last

    /// Of what clients send.
    public func toRedis(_ change: (inout ProxyFaults) -> Void) { shared.change { change(&$0.toRedis) } }
    /// Of what Redis answers.
    public func toClients(_ change: (inout ProxyFaults) -> Void) { shared.change { change(&$0.toClients) } }

    /// Connections are refused, as by a host where nobody listens. Those that are open stay.
    public func refuseConnections(_ refuses: Bool = true) { shared.change { $0.refuses = refuses } }

    /// New connections are taken and never answered.
    public func swallowNew(_ swallows: Bool = true) { shared.change { $0.swallowsNew = swallows } }

    /// Where new connections go from now on.
    public func redirect(to upstream: Upstream) { shared.change { $0.upstream = upstream } }

    /// As it was at first; traps that caught nothing are taken away. Connections that swallow bytes do so for ever.
    public func heal() {
        shared.change {
            $0.toRedis = ProxyFaults()
            $0.toClients = ProxyFaults()
            $0.refuses = false
            $0.swallowsNew = false
            $0.traps = []
        }
    }

    /// Has Redis load other scripts than it is sent from now on: what `change` makes of a source. Their digests are those
    /// of what is loaded.
    public func rewriteScripts(_ change: @escaping @Sendable ([UInt8]) -> [UInt8]) {
        shared.change { $0.rewrites = change }
    }

    // MARK: - Faults that strike once

    /// Catches the next request of a command, on whatever connection, or the reply to it.
    public func trap(_ trap: ProxyTrap, on command: String = "EVALSHA") {
        shared.change { $0.traps.append((trap, command)) }
    }

    /// The open connections' bytes vanish from now on, with no word to either end: a black hole.
    public func swallowOpen() { shared.change { $0.orders.append(.swallow) } }
    public func resetOpen() { shared.change { $0.orders.append(.reset) } }
    public func closeOpen() { shared.change { $0.orders.append(.close) } }
}

/// The state of a proxy and what wakes its thread.
final class ProxyShared: Sendable {
    let state: Mutex<ChaosProxy.Shared>
    /// The thread waits for bytes here.
    let wake: Int32
    private let waker: Int32

    init(_ state: consuming ChaosProxy.Shared) throws {
        self.state = Mutex(state)
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw ChaosProxy.NotBound() }
        for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        (wake, waker) = (ends[0], ends[1])
    }

    deinit {
        close(wake)
        close(waker)
    }

    func change(_ body: (inout ChaosProxy.Shared) -> Void) {
        state.withLock { body(&$0) }
        var byte: UInt8 = 0
        _ = write(waker, &byte, 1)
    }
}
