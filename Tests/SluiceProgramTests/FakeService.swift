import NIOCore
import NIOPosix
import SluiceWire
import SwiftProtobuf
import Synchronization

/// A service on a loopback port that answers what a test tells it to, for answers that a real one would not give twice.
final class FakeService: Sendable {
    /// What to answer a request with.
    struct Reply {
        fileprivate var status = WireStatus.ok
        fileprivate var payload: [UInt8] = []
        fileprivate var delay = TimeAmount.zero

        init(_ message: some Message, after delay: TimeAmount = .zero) {
            payload = try! message.serializedBytes()
            self.delay = delay
        }

        static func refusal(_ status: WireStatus, _ words: String) -> Reply {
            var error = WireError()
            error.message = words
            var reply = Reply(error)
            reply.status = status
            return reply
        }
    }

    /// Called for every request, one at a time.
    typealias Answers = @Sendable (_ method: WireMethod, _ payload: ByteBuffer) -> Reply

    let port: Int
    private let channel: any Channel
    private let log: Log

    fileprivate final class Log: Sendable {
        struct Counts {
            var requests = 0
            var inFlight = 0
            var mostInFlight = 0
        }

        let counts = Mutex(Counts())
        let channels = Mutex<[any Channel]>([])
    }

    /// - Parameter port: 0 for any.
    init(port: Int = 0, answers: @escaping Answers) throws {
        let log = Log()
        channel = try ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                log.channels.withLock { $0.append(channel) }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Handler(log: log, answers: answers))
                }
            }
            .bind(host: "127.0.0.1", port: port).wait()
        self.log = log
        self.port = channel.localAddress!.port!
    }

    deinit { stop() }

    var address: String { "127.0.0.1:\(port)" }
    var requests: Int { log.counts.withLock { $0.requests } }
    var mostInFlight: Int { log.counts.withLock { $0.mostInFlight } }

    /// Stops listening and closes every connection.
    func stop() {
        try? channel.close().wait()
        for channel in log.channels.withLock({ $0 }) { try? channel.close().wait() }
    }

    /// Runs `sluice` against this service.
    func sluice(_ arguments: String...) throws -> Program.Outcome {
        try Program.sluice.run(arguments, environment: ["SLUICE_ADMIN": address, "SLUICE_SERVER": address])
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let log: Log
        private let answers: Answers
        private var decoder = FrameDecoder(receivingFrom: .client, maxPayload: 65_536)

        init(log: Log, answers: @escaping Answers) {
            self.log = log
            self.answers = answers
        }

        func channelActive(context: ChannelHandlerContext) {
            var hello = WireHello()
            (hello.version, hello.maxPayload, hello.maxInFlight) = (1, 65_536, 64)
            var buffer = ByteBuffer()
            try! buffer.writeFrame(FrameHeader(kind: .hello), message: hello)
            context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            decoder.append(unwrapInboundIn(data))
            while let frame = try? decoder.next() {
                if frame.header.kind == .ping {
                    var pong = ByteBuffer()
                    pong.writeFrame(FrameHeader(kind: .pong), payload: frame.payload.readableBytesView)
                    context.writeAndFlush(wrapOutboundOut(pong), promise: nil)
                } else {
                    answer(frame, on: context.channel)
                }
            }
        }

        private func answer(_ frame: Frame, on channel: any Channel) {
            log.counts.withLock { counts in
                counts.requests += 1
                counts.inFlight += 1
                counts.mostInFlight = max(counts.mostInFlight, counts.inFlight)
            }
            let reply = answers(frame.header.method, frame.payload)
            let header = FrameHeader(
                kind: .response,
                method: frame.header.method,
                status: reply.status,
                stream: frame.header.stream
            )
            var buffer = ByteBuffer()
            buffer.writeFrame(header, payload: reply.payload)
            channel.eventLoop.scheduleTask(in: reply.delay) { [log, buffer] in
                log.counts.withLock { $0.inFlight -= 1 }
                channel.writeAndFlush(buffer, promise: nil)
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            context.close(promise: nil)
        }
    }
}
