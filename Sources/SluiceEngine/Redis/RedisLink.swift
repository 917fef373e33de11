import DequeModule
import Logging
import NIOCore
import SluiceWire

/// One pipelined connection to one Redis server, on the event loop that carries the clients. It reconnects by itself.
///
/// All of it, with its user, lives on that loop. `RedisLinkState` says what it is doing, this does it.
final class RedisLink {
    /// What each reply of the pipeline is for, oldest first.
    private enum Expectation {
        case handshake(Handshake.Step)
        case run(Batch)
        /// The OK of an ASKING.
        case asking
        case scriptReload(LoadedScript)
        /// What the server has thrown away by now.
        case evictions
    }

    /// Where no deadline tells how soon Redis should answer.
    static let longestStall = TimeAmount.seconds(5)
    private static let connectTimeout = TimeAmount.seconds(1)
    /// From the socket's opening to the last reply of the burst, TLS included.
    private static let handshakeTimeout = TimeAmount.seconds(1)
    private static let pauseBetweenLooks = TimeAmount.seconds(5)
    /// Silence is looked at this often in the time of a stall.
    private static let stallChecks = 4

    let loop: any EventLoop
    private let target: RedisTarget
    private let logger: Logger
    private let backoff = Backoff()
    private let stallLimit: TimeAmount
    private weak var user: (any RedisLinkUser)?
    /// The source of each script.
    private let scripts: [[UInt8]]
    /// Where sentinels know the primary.
    private let finder: PrimaryFinder?
    private var switches: SentinelWatch?

    private var state = RedisLinkState()
    private var channel: (any Channel)?
    /// The server that is being connected to, or is.
    private var endpoint = Endpoint.unix(path: "")
    private var reader = ReplyReader()
    private var expectations: Deque<Expectation> = []
    private var handshake: Handshake?
    private var handshakeTimer: Scheduled<Void>?
    /// Why the connection is being drained.
    private var reasonToDrain = ""
    /// Scripts that Redis has lost and is being given again.
    private var reloading = 0
    private var isWatchingSilence = false
    /// Looks at the silence since Redis sent something or began to owe a reply.
    private var silentChecks = 0
    /// What SCRIPT LOAD answered for each script.
    private var digests = Array(repeating: [UInt8](), count: LoadedScript.allCases.count)
    /// Of the server that was connected last; empty: unknown.
    private var runID = ""
    /// Whether that server has answered a run.
    private var hasAnswered = false
    private var hasToldOfRights = false

    /// Counters, for metrics.
    private(set) var connects: UInt64 = 0
    private(set) var losses: UInt64 = 0
    /// Of the losses, those for a Redis that owed replies and sent nothing.
    private(set) var stalls: UInt64 = 0
    /// Of the losses, those for bytes that are no replies.
    private(set) var brokenReplies: UInt64 = 0
    /// Times that a Redis came back without the counters it had.
    private(set) var countersLost: UInt64 = 0
    private(set) var scriptLoads: UInt64 = 0
    private(set) var receivedBytes: UInt64 = 0
    private(set) var sentBytes: UInt64 = 0
    /// Whether the server was set to throw counters away when its memory is full, when it was connected.
    private(set) var isEvicting = false
    /// Keys that the server has thrown away, as it last said.
    private(set) var evictedKeys: UInt64 = 0

    /// - Parameters:
    ///   - target: one node, or one that sentinels know.
    ///   - stallLimit: a connection that owes replies and sends nothing for this long is replaced; at most a quarter
    ///     later. What is out then is unknown.
    ///   - scripts: the source of each loaded script, in order; tests give others.
    init(
        target: RedisTarget, loop: any EventLoop, logger: Logger, stallLimit: TimeAmount = RedisLink.longestStall,
        scripts: [[UInt8]] = LoadedScript.ofOne
    ) {
        self.target = target
        self.loop = loop
        self.logger = logger
        self.stallLimit = stallLimit
        self.scripts = scripts
        if case .sentinel(let set) = target.topology {
            finder = PrimaryFinder(set: set, target: target, loop: loop)
        } else {
            finder = nil
        }
    }

    /// Which Redis, without its password.
    var name: String { "\(target)" }
    /// Whether there is a connection that takes commands.
    var isConnected: Bool { state.isReady }
    /// Whether a run may be sent now: the scripts are there too.
    var isReady: Bool { state.isReady && reloading == 0 }

    /// What EVALSHA calls a script.
    func digest(of script: LoadedScript) -> [UInt8] { digests[script.rawValue] }

    /// Why the last attempt failed, in words without secrets; nil while all is well.
    private(set) var lastError: String?

    func start(user: any RedisLinkUser) {
        self.user = user
        if case .sentinel(let set) = target.topology {
            let me = NIOLoopBound(self, eventLoop: loop)
            switches = SentinelWatch(set: set, target: target, loop: loop) { me.value.primaryMoved(to: $0) }
            switches?.start()
        }
        perform(state.start())
    }

    func shutDown() {
        switches?.stop()
        finder?.stop()
        handshakeTimer?.cancel()
        perform(state.shutDown())
        failOutstanding(.connectionLost)
    }

    /// Writes a run. The link must be ready.
    ///
    /// - Parameter asking: whether a slot that is being moved here takes it already.
    func send(_ run: Batch, asking: Bool = false) {
        guard let channel else { return }
        if asking {
            var buffer = channel.allocator.buffer(capacity: 32)
            CommandFormatter.write([Array("ASKING".utf8)], into: &buffer)
            expect(.asking)
            sentBytes &+= UInt64(buffer.readableBytes)
            channel.write(buffer, promise: nil)
        }
        expect(.run(run))
        sentBytes &+= UInt64(run.command.readableBytes)
        channel.writeAndFlush(run.command, promise: nil)
    }

    private func perform(_ action: RedisLinkState.Action) {
        switch action {
        // Whoever opened the connection sends it.
        case .none, .sendHandshake: break
        case .find: find()
        case .connect: connect()
        case .announceReady: announceReady()
        case .drain: if expectations.isEmpty { lost(reasonToDrain) }
        case .wait(let attempt, let wasReady): wait(attempt: attempt, wasReady: wasReady)
        case .close: channel?.close(promise: nil)
        }
    }
}

// MARK: - Connecting

extension RedisLink {
    private func find() {
        switch target.topology {
        case .single(let endpoint), .clusterNode(let endpoint): reach(endpoint)
        case .cluster: lost("a cluster is many nodes; a link leads to one")
        case .sentinel:
            finder?.find { [weak self] found in
                switch found {
                case .success(let endpoint): self?.reach(endpoint)
                case .failure(let nobody): self?.lost(nobody.reason)
                }
            }
        }
    }

    private func reach(_ endpoint: Endpoint) {
        self.endpoint = endpoint
        perform(state.found())
    }

    private func connect() {
        let me = NIOLoopBound(self, eventLoop: loop)
        let handler = NIOLoopBound({ RedisLinkHandler(link: me.value) as any ChannelHandler }, eventLoop: loop)
        let opening = RedisSocket.open(endpoint, of: target, on: loop, within: Self.connectTimeout, handler)
        opening.assumeIsolated().whenComplete { result in
            switch result {
            case .success(let channel): self.opened(channel)
            case .failure(let error): self.lost(RedisSocket.describe(error))
            }
        }
    }

    private func opened(_ channel: any Channel) {
        let burst = Handshake.burst(for: target, scripts: scripts)
        guard state.connected(burst: burst.count) == .sendHandshake else { return channel.close(promise: nil) }
        self.channel = channel
        handshake = Handshake(node: endpoint)
        var buffer = channel.allocator.buffer(capacity: 64 * 1024)
        for (step, command) in burst {
            CommandFormatter.write(command, into: &buffer)
            expect(.handshake(step))
        }
        let me = NIOLoopBound(self, eventLoop: loop)
        handshakeTimer = loop.scheduleTask(in: Self.handshakeTimeout) {
            if me.value.state.isHandshaking { me.value.lost("no answer to the handshake in time") }
        }
        channel.writeAndFlush(buffer, promise: nil)
    }

    private func takeHandshake(_ step: Handshake.Step, _ reply: Reply) {
        handshake?.take(step, reply)
        let isLast = !expectations.contains { if case .handshake = $0 { true } else { false } }
        if isLast, let refusal = handshake?.refusal { return lost(refusal.reason) }
        perform(state.handshakeReply())
    }

    private func announceReady() {
        handshakeTimer?.cancel()
        connects += 1
        lastError = nil
        logger.info("Redis is connected", metadata: ["redis": "\(target)", "server": "\(endpoint)"])
        finder?.isRight(endpoint)
        if let handshake {
            digests = handshake.digests
            note(handshake.missingRights)
            note(handshake.server)
        }
        handshake = nil
        lookForEvictions(on: connects)
        user?.linkBecameReady()
    }

    /// Asks now and then, for as long as the connection is the same.
    private func lookForEvictions(on connection: UInt64) {
        let me = NIOLoopBound(self, eventLoop: loop)
        loop.scheduleTask(in: Self.pauseBetweenLooks) {
            let link = me.value
            guard link.connects == connection, link.state.isReady, let channel = link.channel else { return }
            var buffer = channel.allocator.buffer(capacity: 32)
            CommandFormatter.write([Array("INFO".utf8), Array("stats".utf8)], into: &buffer)
            link.expect(.evictions)
            channel.writeAndFlush(buffer, promise: nil)
            link.lookForEvictions(on: connection)
        }
    }

    private func note(evictedKeys count: UInt64) {
        if count > 0, evictedKeys == 0 {
            logger.error(
                "Redis throws counters away, and limits with them: its memory is full, and its maxmemory-policy is not noeviction",
                metadata: ["server": "\(endpoint)", "evicted_keys": "\(count)"])
        }
        evictedKeys = count
    }

    private func note(_ missingRights: [String]) {
        guard !missingRights.isEmpty, !hasToldOfRights else { return }
        hasToldOfRights = true
        logger.warning(
            "the Redis user may not look at the server: a replica, an old version, an evicting memory policy or a loss of counters may go unnoticed",
            metadata: ["missing": "\(missingRights.joined(separator: ", "))"])
    }

    private func note(_ server: ServerInfo) {
        let isAnother = server.runID != runID
        if isAnother, hasAnswered, !runID.isEmpty, !server.runID.isEmpty, server.hasLost(database: target.database) {
            countersLost += 1
            logger.warning(
                "counters lost: Redis is another than before, or was restarted, and begins without them",
                metadata: ["server": "\(endpoint)"])
        }
        if isAnother, server.evicts {
            logger.warning(
                "Redis may throw counters away when its memory is full: set maxmemory-policy to noeviction",
                metadata: ["server": "\(endpoint)", "maxmemory_policy": "\(server.evictionPolicy)"])
        }
        isEvicting = server.evicts
        note(evictedKeys: server.evictedKeys)
        if isAnother { hasAnswered = false }
        runID = server.runID
    }

    /// Sentinels have agreed on another primary.
    private func primaryMoved(to primary: Endpoint) {
        guard primary != endpoint else { return }
        replace("the primary is another by now")
        // Whoever backs off has something to try.
        perform(state.backoffEnded())
    }
}

// MARK: - Losing it

extension RedisLink {
    /// Sends nothing more over this connection and makes another one as soon as nothing is out.
    private func replace(_ why: String) {
        reasonToDrain = why
        perform(state.replace())
    }

    /// The connection is of no more use: those who wait are told, a new one is made.
    private func lost(_ why: String, _ failure: RedisFailure = .connectionLost) {
        let action = state.failed()
        guard action != .none else { return }
        lastError = handshake?.refusal?.reason ?? why
        handshakeTimer?.cancel()
        channel?.close(promise: nil)
        channel = nil
        reader = ReplyReader()
        reloading = 0
        failOutstanding(failure)
        perform(action)
        if case .wait(_, wasReady: true) = action { user?.linkWasLost() } else { user?.linkCouldNotConnect() }
    }

    private func wait(attempt: Int, wasReady: Bool) {
        if wasReady { losses += 1 }
        if wasReady || attempt == 1 {
            logger.warning("Redis is not connected", metadata: ["redis": "\(target)", "error": "\(lastError ?? "")"])
        }
        var isRefused = handshake?.refusal != nil
        if let finder, handshake?.refusal?.isReplica == true {
            // What the sentinels said is behind the times, or will be soon.
            finder.isWrong()
            isRefused = false
        }
        handshake = nil
        let me = NIOLoopBound(self, eventLoop: loop)
        loop.scheduleTask(in: backoff.delay(attempt: attempt, isRefused: isRefused)) {
            let link = me.value
            link.perform(link.state.backoffEnded())
        }
    }

    private func failOutstanding(_ failure: RedisFailure) {
        let failed = expectations
        expectations = []
        for expectation in failed {
            switch expectation {
            case .run(let run): user?.runFailed(run, .unknown(failure))
            case .handshake, .asking, .scriptReload, .evictions: break
            }
        }
    }

    // A Redis that hangs keeps its connections. It is told from one that has nothing to say by what it owes. Looks are
    // counted rather than time: a service that was itself stopped for a while does not take that for silence.

    private func expect(_ expectation: Expectation) {
        if expectations.isEmpty {
            silentChecks = 0
            watchSilence()
        }
        expectations.append(expectation)
    }

    private func watchSilence() {
        guard !isWatchingSilence else { return }
        isWatchingSilence = true
        let me = NIOLoopBound(self, eventLoop: loop)
        loop.scheduleTask(in: .nanoseconds(stallLimit.nanoseconds / Int64(Self.stallChecks))) {
            me.value.checkSilence()
        }
    }

    private func checkSilence() {
        isWatchingSilence = false
        guard !expectations.isEmpty else { return }
        silentChecks += 1
        // A handshake has a time of its own.
        if silentChecks > Self.stallChecks, !state.isHandshaking {
            stalls += 1
            return lost("it owes replies and has gone silent", .stalled)
        }
        watchSilence()
    }
}

// MARK: - Replies

extension RedisLink {
    fileprivate func read(_ buffer: ByteBuffer, from source: any Channel) {
        guard source === channel else { return }
        silentChecks = 0
        receivedBytes &+= UInt64(buffer.readableBytes)
        let sound = reader.read(buffer) { reply in
            // One of the replies before it may have ended the connection.
            if source === channel { take(reply) }
        }
        guard !sound, source === channel else { return }
        brokenReplies += 1
        lost("its replies are broken")
    }

    fileprivate func ended(_ source: any Channel, _ why: String) {
        if source === channel { lost(why) }
    }

    private func take(_ reply: Reply) {
        guard let expectation = expectations.popFirst() else {
            brokenReplies += 1
            return lost("a reply that nothing asked for")
        }
        switch expectation {
        case .handshake(let step): takeHandshake(step, reply)
        case .run(let run): takeRun(run, reply)
        case .asking: break
        case .evictions: if reply.kind == .text { note(evictedKeys: ServerInfo(reply.string).evictedKeys) }
        case .scriptReload(let script):
            if reply.kind == .error { return lost("SCRIPT LOAD: \(reply.string.prefix(200))") }
            digests[script.rawValue] = Array(reply.bytes(at: 0))
            reloading -= 1
            if reloading == 0, state.isReady { user?.linkBecameReady() }
        }
        if expectations.isEmpty, state.phase == .draining { lost(reasonToDrain) }
    }

    private func takeRun(_ run: Batch, _ reply: Reply) {
        guard reply.kind == .error else {
            hasAnswered = true
            user?.runAnswered(run, reply)
            return
        }
        let text = reply.string
        let error = ErrorReply(text, from: endpoint)
        if case .unknown = error.outcome {
            logger.error("Redis refused a script run", metadata: ["error": "\(text.prefix(200))"])
        }
        if error.remedy == .reloadScripts { reloadScripts() }
        user?.runFailed(run, error.outcome)
        if error.remedy == .reconnect { replace(String(text.prefix(200))) }
    }

    /// Loads the scripts once for all that wait: nothing is sent until they are there.
    private func reloadScripts() {
        guard reloading == 0, state.isReady, let channel else { return }
        scriptLoads += 1
        var buffer = channel.allocator.buffer(capacity: 64 * 1024)
        for script in LoadedScript.allCases.prefix(scripts.count) {
            CommandFormatter.write(
                ["SCRIPT", "LOAD"].map { Array($0.utf8) } + [scripts[script.rawValue]], into: &buffer)
            expect(.scriptReload(script))
            reloading += 1
        }
        channel.writeAndFlush(buffer, promise: nil)
    }
}

/// Carries bytes and the end of the connection to the link.
private final class RedisLinkHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let link: RedisLink

    init(link: RedisLink) {
        self.link = link
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        link.read(unwrapInboundIn(data), from: context.channel)
    }

    func channelInactive(context: ChannelHandlerContext) {
        link.ended(context.channel, "the connection was closed")
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        link.ended(context.channel, RedisSocket.describe(error))
        context.close(promise: nil)
    }
}
