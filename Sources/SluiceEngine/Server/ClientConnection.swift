import NIOCore
import SluiceModel
import SluiceWire

/// One client's connection: takes frames apart where they lie, and gathers the answers of a turn into one write.
///
/// As in `Decider`, what every request touches is not checked for overlapping access.
final class ClientConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Which methods a listener serves.
    enum Kind {
        case data
        case admin
    }

    let kind: Kind
    private let server: LoopServer
    /// Its place in the server's table; -1 while it has none.
    var place: Int32 = -1
    var epoch: UInt32 = 0
    private var context: ChannelHandlerContext?
    private var hasPreface = false
    /// Set once nothing more is read: a malformed frame, or shutting down.
    private var isClosing = false
    /// Sent GOAWAY: what comes now is refused.
    private var isGoingAway = false
    /// Bytes of a frame that is not whole yet.
    private var partial = ByteBuffer()
    @exclusivity(unchecked) private var outgoing = ByteBuffer()
    private var isEndScheduled = false
    /// Answers gathered for one write, in bytes, beyond which they go out before the next frame is read.
    private static let writeBound = 1 << 20
    /// Room for answers that an idle connection keeps, in bytes.
    private static let keptCapacity = 8_192
    /// A connection without a preface is closed after this.
    private static let prefaceDeadline = TimeAmount.seconds(5)
    /// A client that was told to go elsewhere and has all its answers may take this long to go.
    private static let farewell = TimeAmount.seconds(1)
    @exclusivity(unchecked) private(set) var isDirty = false
    /// Requests without an answer.
    @exclusivity(unchecked) private(set) var inFlight = 0

    init(kind: Kind, server: LoopServer) {
        self.kind = kind
        self.server = server
    }

    // MARK: - Reading

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        outgoing = context.channel.allocator.buffer(capacity: 0)
    }

    func channelActive(context: ChannelHandlerContext) {
        guard server.add(self) else { return context.close(promise: nil) }
        context.eventLoop.assumeIsolated().scheduleTask(in: Self.prefaceDeadline) {
            if !self.hasPreface { self.close() }
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        isClosing = true
        server.remove(self)
        self.context = nil
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosing else { return }
        var buffer = unwrapInboundIn(data)
        server.countReceived(buffer.readableBytes)
        if partial.readableBytes > 0 {
            partial.writeBuffer(&buffer)
        } else {
            partial = buffer
        }
        takePartial()
    }

    /// A client that does not read its answers is not read from either.
    func channelWritabilityChanged(context: ChannelHandlerContext) {
        try? context.channel.syncOptions?.setOption(.autoRead, value: context.channel.isWritable)
        if context.channel.isWritable { takePartial() }
        context.fireChannelWritabilityChanged()
    }

    private func takePartial() {
        var buffer = ByteBuffer()
        swap(&buffer, &partial)
        do throws(FrameError) {
            try takeFrames(&buffer)
        } catch {
            return close(after: error)
        }
        if buffer.readableBytes > 0 {
            buffer.discardReadBytes()
            partial = buffer
        }
    }

    private func takeFrames(_ buffer: inout ByteBuffer) throws(FrameError) {
        if !hasPreface {
            guard try Preface.read(from: &buffer) else { return }
            hasPreface = true
            server.greet(self)
        }
        // One clock reading for all that came together.
        let received = NIODeadline.now()
        let taken = try buffer.withReadableBytesTyped { (bytes) throws(FrameError) in
            try takeFrames(bytes, received)
        }
        buffer.moveReaderIndex(forwardBy: taken)
    }

    /// Takes whole frames where they lie, until there is none or the answers are to go first.
    ///
    /// - Returns: the bytes they took.
    private func takeFrames(_ bytes: UnsafeRawBufferPointer, _ received: NIODeadline) throws(FrameError) -> Int {
        var taken = 0
        while !isClosing, bytes.count - taken >= FrameHeader.size {
            let header = try FrameHeader(reading: bytes.baseAddress! + taken)
            try header.validate(from: .client, maxPayload: server.maxPayload)
            let end = taken + FrameHeader.size + Int(header.length)
            guard end <= bytes.count else { break }
            take(header, UnsafeRawBufferPointer(rebasing: bytes[taken + FrameHeader.size..<end]), received)
            taken = end
            if outgoing.readableBytes > Self.writeBound {
                flush()
                guard let context, context.channel.isWritable else { break }
            }
        }
        return taken
    }

    private func take(_ header: FrameHeader, _ payload: UnsafeRawBufferPointer, _ received: NIODeadline) {
        switch header.kind {
        case .request:
            if isGoingAway {
                refuse(header.stream, header.method, .unavailable, "this service is going away")
            } else if inFlight >= server.maxInFlight {
                server.countShed()
                refuse(header.stream, header.method, .resourceExhausted, "too many requests in flight here")
            } else {
                server.take(header, payload, from: self, received)
            }
        case .ping: write(FrameHeader(kind: .pong), atMost: payload.count) { $0.write(payload) }
        case .pong, .response, .goAway, .hello: break
        }
    }

    /// A malformed frame ends the connection, which is told why on stream 0. A stranger without a preface is told nothing.
    private func close(after error: FrameError) {
        isClosing = true
        server.countProtocolError(error)
        if hasPreface { refuse(0, .none, .invalidArgument, error.description) }
        flush()
        context?.close(mode: .all, promise: nil)
    }

    // MARK: - Writing

    /// Appends a frame to what this turn sends. `payload` appends the message, of at most `most` bytes.
    func write(_ header: FrameHeader, atMost most: Int, _ payload: (inout ByteCursor) -> Void) {
        outgoing.write(atMost: FrameHeader.size + most) { frame in
            var header = header
            let start = frame.place
            frame.skip(FrameHeader.size)
            payload(&frame)
            header.length = UInt32(frame.written(since: start) - FrameHeader.size)
            header.write(to: start)
        }
        if !isDirty {
            isDirty = true
            server.markDirty(self)
        }
    }

    /// Answers a request that was counted in flight, or refuses one that never was.
    func refuse(
        _ stream: UInt32,
        _ method: WireMethod,
        _ status: WireStatus,
        _ message: String
    ) {
        let text = Array(message.utf8)
        write(
            FrameHeader(kind: .response, method: method, status: status, stream: stream), atMost: text.count + 11
        ) { payload in
            guard !text.isEmpty else { return }
            payload.writeHead(1, text.count)
            payload.write(text)
        }
    }

    func began() { inFlight += 1 }

    func ended() {
        inFlight -= 1
        scheduleEnd()
    }

    /// Sends what this turn gathered.
    func flush() {
        isDirty = false
        guard let context else { return }
        if outgoing.readableBytes > 0 {
            server.countSent(outgoing.readableBytes)
            var sent = ByteBuffer()
            swap(&sent, &outgoing)
            context.writeAndFlush(wrapOutboundOut(sent), promise: nil)
            // What was written at once is nobody's any more, and its room is used again.
            if sent.capacity <= Self.keptCapacity, outgoing.capacity == 0 {
                sent.clear()
                outgoing = sent
            }
        }
        scheduleEnd()
    }

    /// Ends a connection that has nothing left to answer. The client goes first if it will: closing under what it may
    /// still be sending would reset the connection and lose answers on their way.
    private func scheduleEnd() {
        guard isGoingAway, inFlight == 0, !isClosing, !isEndScheduled, let context else { return }
        isEndScheduled = true
        context.eventLoop.assumeIsolated().scheduleTask(in: Self.farewell) {
            guard let context = self.context else { return }
            // An empty write completes behind all others: nothing is cut off.
            context.writeAndFlush(self.wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete { _ in
                self.close()
            }
        }
    }

    func close() {
        context?.close(mode: .all, promise: nil)
    }

    /// Tells the client to go elsewhere; the connection ends when its last request is answered.
    func goAway() {
        guard !isGoingAway else { return }
        guard hasPreface else { return close() }
        isGoingAway = true
        write(FrameHeader(kind: .goAway), atMost: 0) { _ in }
    }
}
