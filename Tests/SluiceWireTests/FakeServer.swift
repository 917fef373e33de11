import NIOCore
import NIOPosix
import SluiceWire
import SwiftProtobuf
import Synchronization

/// A server on a loopback socket that does with every frame what its script says.
final class FakeServer: Sendable {
    /// Called on the connection's event loop for every frame from the client.
    typealias Script = @Sendable (Frame, FakeConnection) -> Void

    /// What is in `received`.
    struct Received: Sendable {
        var connection: Int
        var frame: Frame
    }

    let endpoint: Endpoint
    private let channel: any Channel
    private let log: Log

    final class Log: Sendable {
        let received = Mutex<[Received]>([])
        let channels = Mutex<[any Channel]>([])
    }

    private init(channel: any Channel, log: Log) {
        self.channel = channel
        self.log = log
        self.endpoint = .tcp(host: "127.0.0.1", port: channel.localAddress!.port!)
    }

    /// - Parameters:
    ///   - hello: sent to every connection; none if nil.
    ///   - answersPings: or else the script sees them like everything else.
    ///   - port: 0 for any.
    static func start(
        hello: WireHello? = FrameCorpus.helloMessage,
        answersPings: Bool = true,
        port: Int = 0,
        script: @escaping Script
    ) async throws -> FakeServer {
        let log = Log()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                let index = log.channels.withLock { channels in
                    channels.append(channel)
                    return channels.count - 1
                }
                return channel.eventLoop.makeCompletedFuture {
                    let handler = FakeHandler(
                        index: index,
                        hello: hello,
                        answersPings: answersPings,
                        log: log,
                        script: script
                    )
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
        return FakeServer(channel: channel, log: log)
    }

    /// Everything received so far, in the order of arrival on each connection.
    var received: [Received] { log.received.withLock { $0 } }

    /// How many connections were ever accepted.
    var connections: Int { log.channels.withLock { $0.count } }

    /// Stops listening and closes every connection.
    func stop() async throws {
        try await channel.close()
        await disconnect()
    }

    func disconnect() async {
        for channel in log.channels.withLock({ $0 }) {
            try? await channel.close()
        }
    }
}

/// One accepted connection, for a script to answer on.
struct FakeConnection: Sendable {
    /// From 0, in the order of being accepted.
    let index: Int
    let channel: any Channel

    func answer(
        _ frame: Frame,
        _ message: some Message = WireCheckResponse(),
        status: WireStatus = .ok,
        stream: UInt32? = nil
    ) {
        let header = FrameHeader(
            kind: .response,
            method: frame.header.method,
            status: status,
            stream: stream ?? frame.header.stream
        )
        var buffer = ByteBuffer()
        try! buffer.writeFrame(header, message: message)
        send(buffer)
    }

    func pong(_ ping: Frame) {
        var buffer = ByteBuffer()
        buffer.writeFrame(FrameHeader(kind: .pong), payload: ping.payload.readableBytesView)
        send(buffer)
    }

    func send(_ buffer: ByteBuffer) {
        channel.writeAndFlush(buffer, promise: nil)
    }

    /// Closes with a RST instead of a FIN.
    func reset() {
        let channel = channel
        let socket = channel as! any SocketOptionProvider
        socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in
            channel.close(promise: nil)
        }
    }

    func after(_ delay: TimeAmount, _ body: @escaping @Sendable () -> Void) {
        channel.eventLoop.scheduleTask(in: delay, body)
    }
}

private final class FakeHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let index: Int
    private let hello: WireHello?
    private let answersPings: Bool
    private let log: FakeServer.Log
    private let script: FakeServer.Script
    private var decoder = FrameDecoder(receivingFrom: .client, maxPayload: 65_536)

    init(
        index: Int,
        hello: WireHello?,
        answersPings: Bool,
        log: FakeServer.Log,
        script: @escaping FakeServer.Script
    ) {
        self.index = index
        self.hello = hello
        self.answersPings = answersPings
        self.log = log
        self.script = script
    }

    func channelActive(context: ChannelHandlerContext) {
        guard let hello else { return }
        var buffer = ByteBuffer()
        try! buffer.writeFrame(FrameHeader(kind: .hello), message: hello)
        context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        decoder.append(unwrapInboundIn(data))
        let connection = FakeConnection(index: index, channel: context.channel)
        while let frame = try! decoder.next() {
            if answersPings, frame.header.kind == .ping {
                connection.pong(frame)
                continue
            }
            log.received.withLock { $0.append(.init(connection: index, frame: frame)) }
            script(frame, connection)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
