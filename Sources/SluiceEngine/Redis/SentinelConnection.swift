import NIOCore
import SluiceWire

/// A connection to one sentinel, on the loop of the link that asks: a few commands go out as it opens, replies come in.
final class SentinelConnection {
    private let loop: any EventLoop
    private var channel: (any Channel)?
    private let reader = ReplyReader()
    private var timer: Scheduled<Void>?
    private var isOver = false
    /// Whether the first reply is that of AUTH.
    private var awaitsAuth: Bool
    private let take: (Reply) -> Void
    private let end: (String) -> Void

    /// Opens it.
    ///
    /// - Parameters:
    ///   - timeout: from now to the end of it; nil: only its opening is bounded, to 300 ms.
    ///   - take: called for every reply but that of AUTH; good during the call only.
    ///   - end: called at most once, and never after `close`: with why it is over.
    init(
        to endpoint: Endpoint, of set: RedisTarget.SentinelSet, _ target: RedisTarget, on loop: any EventLoop,
        command: [String], timeout: TimeAmount?, take: @escaping (Reply) -> Void, end: @escaping (String) -> Void
    ) {
        self.loop = loop
        self.take = take
        self.end = end
        var buffer = ByteBuffer()
        awaitsAuth = !set.password.isEmpty
        if awaitsAuth {
            let words = set.user.isEmpty ? ["AUTH", set.password] : ["AUTH", set.user, set.password]
            CommandFormatter.write(words.map { Array($0.utf8) }, into: &buffer)
        }
        CommandFormatter.write(command.map { Array($0.utf8) }, into: &buffer)
        open(endpoint, target, buffer, timeout)
    }

    private func open(_ endpoint: Endpoint, _ target: RedisTarget, _ commands: ByteBuffer, _ timeout: TimeAmount?) {
        let me = NIOLoopBound(self, eventLoop: loop)
        if let timeout {
            timer = loop.scheduleTask(in: timeout) { me.value.finish("no answer in time") }
        }
        let handler = NIOLoopBound({ SentinelHandler(me.value) as any ChannelHandler }, eventLoop: loop)
        let opening = RedisSocket.open(
            endpoint, of: target, on: loop, within: timeout ?? .milliseconds(300), handler)
        opening.assumeIsolated().whenComplete { result in
            switch result {
            case .success(let channel):
                guard !self.isOver else { return channel.close(promise: nil) }
                self.channel = channel
                channel.writeAndFlush(commands, promise: nil)
            case .failure(let error): self.finish(RedisSocket.describe(error))
            }
        }
    }

    func close() {
        isOver = true
        timer?.cancel()
        channel?.close(promise: nil)
        channel = nil
    }

    fileprivate func finish(_ why: String) {
        guard !isOver else { return }
        close()
        end(why)
    }

    fileprivate func read(_ buffer: ByteBuffer) {
        guard !isOver else { return }
        let sound = reader.read(buffer) { reply in
            guard !isOver else { return }
            if reply.kind == .error { return finish(String(reply.string.prefix(200))) }
            if awaitsAuth { awaitsAuth = false } else { take(reply) }
        }
        if !sound { finish("its replies are broken") }
    }
}

private final class SentinelHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let connection: SentinelConnection

    init(_ connection: SentinelConnection) {
        self.connection = connection
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { connection.read(unwrapInboundIn(data)) }

    func channelInactive(context: ChannelHandlerContext) { connection.finish("the connection was closed") }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        connection.finish(RedisSocket.describe(error))
        context.close(promise: nil)
    }
}
