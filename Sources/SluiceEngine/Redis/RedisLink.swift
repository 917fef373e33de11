import DequeModule
import Logging
import NIOCore
import NIOPosix

/// Who sends script runs over a link. Called on the link's event loop.
protocol RedisLinkUser: AnyObject {
    func linkBecameReady()
    /// Every run that was out has been failed before this.
    func linkWasLost()
    /// `reply` is the script's, flattened; good during the call only.
    func runAnswered(_ run: Batch, _ reply: Reply)
    func runFailed(_ run: Batch, _ outcome: RunOutcome)
}

/// One pipelined Redis connection on the event loop that carries the clients. It reconnects by itself.
///
/// All of it, with its user, lives on that loop.
final class RedisLink {
    /// What each reply of the pipeline is for, oldest first.
    private enum Expectation {
        case handshake(HandshakeStep)
        case run(Batch)
        case scriptReload(LoadedScript)
    }

    private enum HandshakeStep: Equatable {
        /// An error here means that this Redis cannot be used.
        case required(String)
        case optional
        case load(LoadedScript)
    }

    /// A connection that owes replies and sends nothing for this long is given up.
    static let longestSilence = TimeAmount.seconds(5)

    let loop: any EventLoop
    private let target: RedisTarget
    private let logger: Logger
    private let backoff = Backoff()
    private weak var user: (any RedisLinkUser)?
    /// The source of each script.
    private let scripts: [[UInt8]]

    private var state = RedisLinkState()
    private var channel: (any Channel)?
    private var reader = ReplyReader()
    private var expectations: Deque<Expectation> = []
    private var handshakeError: String?
    /// Scripts that Redis has lost and is being given again.
    private var reloading = 0
    private var silenceWatch: RepeatedTask?
    /// When the peer last sent something, or began to owe a reply.
    private var lastSign = NIODeadline.now()
    /// What SCRIPT LOAD answered for each script.
    private var digests = Array(repeating: [UInt8](), count: LoadedScript.allCases.count)

    /// Counters, for metrics.
    private(set) var connects: UInt64 = 0
    private(set) var losses: UInt64 = 0
    private(set) var scriptLoads: UInt64 = 0
    private(set) var receivedBytes: UInt64 = 0
    private(set) var sentBytes: UInt64 = 0

    /// - Parameter scripts: the source of each loaded script, in order; tests give others.
    init(
        target: RedisTarget, loop: any EventLoop, logger: Logger,
        scripts: [[UInt8]] = LoadedScript.allCases.map(\.source)
    ) {
        self.target = target
        self.loop = loop
        self.logger = logger
        self.scripts = scripts
    }

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
        let me = NIOLoopBound(self, eventLoop: loop)
        silenceWatch = loop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in
            me.value.watchSilence()
        }
        perform(state.start())
    }

    private func watchSilence() {
        guard !expectations.isEmpty, NIODeadline.now() - lastSign > Self.longestSilence else { return }
        lost("it went silent")
    }

    private func expect(_ expectation: Expectation) {
        if expectations.isEmpty { lastSign = .now() }
        expectations.append(expectation)
    }

    func shutDown() {
        silenceWatch?.cancel()
        perform(state.shutDown())
        failOutstanding()
    }

    /// Writes a run. The link must be ready.
    func send(_ run: Batch) {
        expect(.run(run))
        sentBytes &+= UInt64(run.command.readableBytes)
        channel?.writeAndFlush(run.command, promise: nil)
    }

    // MARK: - Connecting

    private func perform(_ action: RedisLinkState.Action) {
        switch action {
        case .none: break
        case .connect: connect()
        case .sendHandshake: sendHandshake()
        case .announceReady: announceReady()
        case .wait(let attempt, let wasReady): wait(attempt: attempt, wasReady: wasReady)
        case .close: channel?.close(promise: nil)
        }
    }

    private func connect() {
        let me = NIOLoopBound(self, eventLoop: loop)
        let bootstrap = ClientBootstrap(group: loop)
            .connectTimeout(.seconds(2))
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(RedisLinkHandler(link: me.value))
                }
            }
        let connecting =
            switch target.endpoint {
            case .tcp(let host, let port): bootstrap.connect(host: host, port: port)
            case .unix(let path): bootstrap.connect(unixDomainSocketPath: path)
            }
        connecting.assumeIsolated().whenComplete { result in
            switch result {
            case .success(let channel):
                self.channel = channel
                let action = self.state.connected(burst: self.handshake.count)
                if action == .close { channel.close(promise: nil) } else { self.perform(action) }
            case .failure(let error):
                self.lost(self.describe(error))
            }
        }
    }

    /// The burst a new connection begins with.
    private var handshake: [(HandshakeStep, [[UInt8]])] {
        var burst: [(HandshakeStep, [[UInt8]])] = []
        func add(_ step: HandshakeStep, _ words: String..., script: [UInt8]? = nil) {
            burst.append((step, words.map { Array($0.utf8) } + (script.map { [$0] } ?? [])))
        }
        if !target.user.isEmpty {
            add(.required("AUTH"), "AUTH", target.user, target.password)
        } else if !target.password.isEmpty {
            add(.required("AUTH"), "AUTH", target.password)
        }
        if target.database != 0 { add(.required("SELECT"), "SELECT", String(target.database)) }
        add(.optional, "CLIENT", "SETNAME", "sluice")
        for script in LoadedScript.allCases { add(.load(script), "SCRIPT", "LOAD", script: scripts[script.rawValue]) }
        return burst
    }

    private func sendHandshake() {
        guard let channel else { return }
        handshakeError = nil
        var buffer = channel.allocator.buffer(capacity: 64 * 1024)
        for (step, arguments) in handshake {
            CommandFormatter.write(arguments, into: &buffer)
            expect(.handshake(step))
        }
        channel.writeAndFlush(buffer, promise: nil)
    }

    private func announceReady() {
        connects += 1
        lastError = nil
        logger.info("Redis is connected", metadata: ["redis": "\(target)"])
        user?.linkBecameReady()
    }

    private func wait(attempt: Int, wasReady: Bool) {
        if wasReady { losses += 1 }
        if wasReady || attempt == 1 {
            logger.warning("Redis is not connected", metadata: ["redis": "\(target)", "error": "\(lastError ?? "")"])
        }
        let me = NIOLoopBound(self, eventLoop: loop)
        loop.scheduleTask(in: backoff.delay(attempt: attempt)) {
            let link = me.value
            link.perform(link.state.backoffEnded())
        }
    }

    /// The connection is of no more use: those who wait are told, a new one is made.
    private func lost(_ why: String) {
        let action = state.failed()
        guard action != .none else { return }
        // A Redis that refuses us also cuts off what we say next, and that would hide why.
        lastError = handshakeError ?? why
        handshakeError = nil
        channel?.close(promise: nil)
        channel = nil
        reader = ReplyReader()
        reloading = 0
        failOutstanding()
        perform(action)
        if case .wait(_, wasReady: true) = action { user?.linkWasLost() }
    }

    private func failOutstanding() {
        let failed = expectations
        expectations = []
        for expectation in failed {
            switch expectation {
            case .run(let run): user?.runFailed(run, .unknown(.connectionLost))
            case .handshake, .scriptReload: break
            }
        }
    }

    private func describe(_ error: any Error) -> String {
        switch error {
        case let error as IOError: String(describing: error)
        case let error as NIOConnectionError: error.connectionErrors.first.map { describe($0.error) } ?? "no address"
        case is ChannelError: "the connection could not be made in time"
        default: String(describing: type(of: error))
        }
    }

    // MARK: - Replies

    fileprivate func read(_ buffer: ByteBuffer, from source: any Channel) {
        guard source === channel else { return }
        lastSign = .now()
        receivedBytes &+= UInt64(buffer.readableBytes)
        let sound = reader.read(buffer) { take($0) }
        if !sound { lost("the reply stream is broken") }
    }

    fileprivate func closed(_ source: any Channel) {
        if source === channel { lost("the connection was closed") }
    }

    private func take(_ reply: Reply) {
        guard let expectation = expectations.popFirst() else { return lost("a reply that nothing asked for") }
        switch expectation {
        case .handshake(let step): takeHandshake(step, reply)
        case .run(let run): takeRun(run, reply)
        case .scriptReload(let script):
            if reply.kind == .error { return lost("SCRIPT LOAD: \(reply.string)") }
            digests[script.rawValue] = Array(reply.bytes(at: 0))
            reloading -= 1
            if reloading == 0 { user?.linkBecameReady() }
        }
    }

    private func takeRun(_ run: Batch, _ reply: Reply) {
        guard reply.kind == .error else {
            user?.runAnswered(run, reply)
            return
        }
        let outcome = RedisFailure.classify(reply.string)
        if case .unknown = outcome {
            logger.error("Redis refused a script run", metadata: ["error": "\(reply.string.prefix(200))"])
        }
        if outcome == .notExecuted(.noScript) { reloadScripts() }
        user?.runFailed(run, outcome)
        if outcome == .notExecuted(.readOnly) { lost("it is a replica") }
    }

    /// Loads the scripts once for all that wait: nothing is sent until they are there.
    private func reloadScripts() {
        guard reloading == 0, let channel else { return }
        scriptLoads += 1
        var buffer = channel.allocator.buffer(capacity: 64 * 1024)
        for script in LoadedScript.allCases {
            CommandFormatter.write(
                ["SCRIPT", "LOAD"].map { Array($0.utf8) } + [scripts[script.rawValue]], into: &buffer)
            expect(.scriptReload(script))
            reloading += 1
        }
        channel.writeAndFlush(buffer, promise: nil)
    }

    private func takeHandshake(_ step: HandshakeStep, _ reply: Reply) {
        if reply.kind == .error {
            switch step {
            case .required(let command): handshakeError = handshakeError ?? "\(command): \(reply.string)"
            case .load: handshakeError = handshakeError ?? "SCRIPT LOAD: \(reply.string)"
            case .optional: break
            }
        } else if case .load(let script) = step {
            digests[script.rawValue] = Array(reply.bytes(at: 0))
        }
        if let handshakeError, step == .load(LoadedScript.allCases.last!) { return lost(handshakeError) }
        perform(state.handshakeReply())
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
        link.closed(context.channel)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
