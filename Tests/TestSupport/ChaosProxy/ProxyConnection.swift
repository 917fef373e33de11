import Foundation

/// One client's connection through a `ChaosProxy` and the one to Redis that goes with it.
struct ProxyConnection {
    let client: Int32
    /// -1: there is none, and what the client sends vanishes.
    let server: Int32
    var clientCanRead = false
    var serverCanRead = false
    private(set) var isClosed = false
    private var swallows: Bool
    private var requests = RESPScanner()
    private var replies = RESPScanner()
    private var toRedis = ProxyPipe()
    private var toClient = ProxyPipe()
    /// What the replies to come are answers to, and what befalls each.
    private var awaited: [(command: String, trap: ProxyTrap?)] = []
    private var serverHasEnded = false
    /// Half of a reply has been written; the reset waits a moment for it to be read.
    private var resetMicros: Int64?

    init(client: Int32, server: Int32) {
        self.client = client
        self.server = server
        swallows = server < 0
    }

    // MARK: - Ending

    mutating func close() { end(Glibc.close) }
    mutating func reset() { end { ProxySocket.reset($0) } }

    private mutating func end<R>(_ how: (Int32) -> R) {
        guard !isClosed else { return }
        isClosed = true
        _ = how(client)
        if server >= 0 { _ = how(server) }
    }

    mutating func swallow() {
        swallows = true
        toRedis.isDeaf = true
        toClient.isDeaf = true
    }

    // MARK: - Waiting

    /// What to poll each socket for, 0 for nothing, and until when.
    func interest(
        _ now: Int64, _ state: ChaosProxy.Shared
    ) -> (client: Int16, server: Int16, nextMicros: Int64) {
        var (client, server): (Int16, Int16) = (0, 0)
        var next = resetMicros ?? .max
        if swallows {
            // Neither end hears of the other again.
            return (0, 0, next)
        }
        if !state.toRedis.isFrozen, toRedis.hasRoom { client |= Int16(POLLIN) }
        if !state.toClients.isFrozen, toClient.hasRoom, !serverHasEnded { server |= Int16(POLLIN) }
        for (pipe, faults, isToRedis) in [(toRedis, state.toRedis, true), (toClient, state.toClients, false)] {
            guard let due = pipe.nextMicros(faults) else { continue }
            if due > now {
                next = min(next, due)
            } else if isToRedis {
                server |= Int16(POLLOUT)
            } else {
                client |= Int16(POLLOUT)
            }
        }
        return (client, server, next)
    }

    // MARK: - Moving

    /// Reads, spoils and writes what can be now.
    mutating func move(_ now: Int64, _ shared: ProxyShared, _ random: inout SeededGenerator) {
        guard !isClosed else { return }
        if let resetMicros, now >= resetMicros { return reset() }
        if swallows { return }
        let (up, down) = shared.state.withLock { ($0.toRedis, $0.toClients) }
        if clientCanRead, case let bytes = Self.read(client), !take(requests: bytes, now, up, shared, &random) {
            return close()
        }
        if serverCanRead {
            switch Self.read(server) {
            case .bytes(let bytes): take(replies: bytes, now, down, shared, &random)
            case .nothing: break
            case .ended: serverHasEnded = true
            case .reset: return reset()
            }
        }
        Self.write(to: server, &toRedis, now, up, shared) { $0.bytesToRedis += $1 }
        if Self.write(to: client, &toClient, now, down, shared, { $0.bytesToClients += $1 }) {
            resetMicros = now + 3_000
        }
        if serverHasEnded, toClient.isEmpty, !down.isFrozen, resetMicros == nil { close() }
    }

    private enum Incoming {
        case bytes([UInt8])
        case nothing
        case ended
        case reset
    }

    private static func read(_ descriptor: Int32) -> Incoming {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &chunk, chunk.count, 0)
        if count > 0 { return .bytes(Array(chunk.prefix(count))) }
        if count == 0 { return .ended }
        return errno == EAGAIN || errno == EINTR ? .nothing : .reset
    }

    /// - Returns: false: the client has gone.
    private mutating func take(
        requests incoming: Incoming, _ now: Int64, _ faults: ProxyFaults, _ shared: ProxyShared,
        _ random: inout SeededGenerator
    ) -> Bool {
        switch incoming {
        case .nothing: return true
        case .ended, .reset: return false
        case .bytes(let bytes):
            for message in requests.take(bytes) {
                let isDeaf = toRedis.isDeaf
                let trap = shared.state.withLock { state -> ProxyTrap? in
                    guard !isDeaf else { return nil }
                    let found = state.traps.firstIndex { $0.command == message.command }
                    let trap = found.map { state.traps.remove(at: $0).trap }
                    if trap != nil { state.counts.trapped += 1 }
                    if trap != .dropRequest { state.counts.commands[message.command, default: 0] += 1 }
                    return trap
                }
                if trap == .dropRequest { toRedis.isDeaf = true }
                awaited.append((message.command, trap))
                var bytes = message.bytes
                if message.command == "SCRIPT", let change = shared.state.withLock({ $0.rewrites }) {
                    bytes = Self.rewritten(bytes, change)
                }
                toRedis.push(bytes, now: now, faults, &random)
            }
            return true
        }
    }

    /// `SCRIPT LOAD` with another source; anything else as it is.
    private static func rewritten(_ request: [UInt8], _ change: ([UInt8]) -> [UInt8]) -> [UInt8] {
        guard let (head, source) = RESPScanner.lastWord(of: request, behind: "LOAD") else { return request }
        let other = change(source)
        return head + Array("$\(other.count)\r\n".utf8) + other + [13, 10]
    }

    private mutating func take(
        replies bytes: [UInt8], _ now: Int64, _ faults: ProxyFaults, _ shared: ProxyShared,
        _ random: inout SeededGenerator
    ) {
        for message in replies.take(bytes) {
            shared.state.withLock { $0.counts.replies += 1 }
            // A message of a subscription answers no request; there is none then.
            let trap = awaited.isEmpty ? nil : awaited.removeFirst().trap
            var bytes = message.bytes
            switch trap {
            case .dropReply:
                toClient.isDeaf = true
            case .resetInReply:
                toClient.push(Array(bytes.prefix(max(1, bytes.count / 2))), now: now, faults, resets: true, &random)
                toClient.isDeaf = true
            case .corruptReply(.kind):
                bytes[0] = UInt8(ascii: "?")
            case .corruptReply(.length):
                if bytes.count > 1 { bytes[1] = UInt8(ascii: "x") }
            case .corruptReply(.end):
                bytes[bytes.count - 2] = UInt8(ascii: "x")
            case .dropRequest, nil:
                break
            }
            toClient.push(bytes, now: now, faults, &random)
        }
    }

    /// - Returns: whether both ends are to be reset now.
    @discardableResult
    private static func write(
        to descriptor: Int32, _ pipe: inout ProxyPipe, _ now: Int64, _ faults: ProxyFaults, _ shared: ProxyShared,
        _ count: (inout ProxyCounts, Int) -> Void
    ) -> Bool {
        while case let (bytes, resets) = pipe.ready(now: now, faults), !bytes.isEmpty {
            let sent = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
            guard sent > 0 else { return false }
            pipe.wrote(sent, now: now, faults)
            shared.state.withLock { count(&$0.counts, sent) }
            if resets, sent == bytes.count { return true }
            // One write a turn where the size of writes is the point.
            if faults.largestWrite != nil { return false }
        }
        return false
    }
}
