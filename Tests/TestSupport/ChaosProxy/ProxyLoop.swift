import Foundation

/// The thread of a `ChaosProxy`: waits for sockets and for the times that bytes are due.
struct ProxyLoop {
    private let shared: ProxyShared
    private let port: Int
    private var listener: Int32?
    private var connections: [ProxyConnection] = []
    private var random: SeededGenerator

    init(shared: ProxyShared, listener: Int32, port: Int, seed: UInt64) {
        self.shared = shared
        self.port = port
        self.listener = listener
        random = SeededGenerator(seed: seed)
    }

    /// Until the proxy is stopped.
    mutating func run() {
        while true {
            let state = shared.state.withLock { state in
                defer { state.orders = [] }
                return state
            }
            if state.isStopped { break }
            listenOrNot(state)
            for order in state.orders { carryOut(order) }
            wait(state)
            for index in connections.indices {
                connections[index].move(Self.nowMicros(), shared, &random)
            }
            connections.removeAll { $0.isClosed }
            shared.state.withLock { $0.counts.open = connections.count }
        }
        for index in connections.indices { connections[index].close() }
        if let listener { close(listener) }
    }

    static func nowMicros() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1_000
    }

    private mutating func listenOrNot(_ state: ChaosProxy.Shared) {
        if state.refuses, let open = listener {
            close(open)
            listener = nil
        } else if !state.refuses, listener == nil {
            listener = ProxySocket.listen(port: port)
        }
    }

    private mutating func carryOut(_ order: ChaosProxy.Order) {
        for index in connections.indices {
            switch order {
            case .close: connections[index].close()
            case .reset: connections[index].reset()
            case .swallow: connections[index].swallow()
            }
        }
        connections.removeAll { $0.isClosed }
    }

    /// Until a socket can be used, something is due, or the proxy is told something.
    private mutating func wait(_ state: ChaosProxy.Shared) {
        var polled = [pollfd(fd: shared.wake, events: Int16(POLLIN), revents: 0)]
        polled.append(pollfd(fd: listener ?? -1, events: Int16(POLLIN), revents: 0))
        let now = Self.nowMicros()
        var next = now + 1_000_000
        for connection in connections {
            let interest = connection.interest(now, state)
            polled.append(
                pollfd(fd: interest.client == 0 ? -1 : connection.client, events: interest.client, revents: 0))
            polled.append(
                pollfd(fd: interest.server == 0 ? -1 : connection.server, events: interest.server, revents: 0))
            next = min(next, interest.nextMicros)
        }
        // Rounded up: what is due is late by a millisecond at most.
        poll(&polled, nfds_t(polled.count), Int32(max(0, next - now + 999) / 1_000))
        var woken = [UInt8](repeating: 0, count: 256)
        _ = read(shared.wake, &woken, woken.count)
        for index in connections.indices {
            connections[index].clientCanRead = polled[2 + 2 * index].revents & ~Int16(POLLOUT) != 0
            connections[index].serverCanRead = polled[3 + 2 * index].revents & ~Int16(POLLOUT) != 0
        }
        if polled[1].revents != 0 { acceptAll() }
    }

    private mutating func acceptAll() {
        while let listener, let client = ProxySocket.accept(listener) {
            let state = shared.state.withLock { state in
                state.counts.accepted += 1
                return state
            }
            if state.swallowsNew {
                connections.append(ProxyConnection(client: client, server: -1))
            } else if let server = ProxySocket.connect(state.upstream) {
                connections.append(ProxyConnection(client: client, server: server))
            } else {
                ProxySocket.reset(client)
            }
        }
    }
}
