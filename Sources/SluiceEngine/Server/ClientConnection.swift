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
    enum Kind: String, Sendable {
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
    /// Room that the beginning of a frame may keep, in bytes; more if it fills a quarter of it.
    private static let smallPartial = 256
    /// Bytes of whole frames in one read, from which on the client is one that has much to send.
    private static let manyFrames = 1_024
    /// Requests in flight that every connection may have, whatever others have.
    private static let leastShare = 16
    /// A client that was told to go elsewhere and has all its answers may take this long to go.
    private static let farewell = TimeAmount.seconds(1)
    @exclusivity(unchecked) private(set) var isDirty = false
    /// Calls without an answer.
    @exclusivity(unchecked) private(set) var inFlight = 0
    /// Requests in them: a batch is one call of many.
    @exclusivity(unchecked) private(set) var load = 0
    @exclusivity(unchecked) private var watch: ConnectionWatch

    init(kind: Kind, server: LoopServer) {
        self.kind = kind
        self.server = server
        watch = ConnectionWatch(openedAt: .now(), lifetime: server.connectionLifetime())
    }

    // MARK: - Reading

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        outgoing = context.channel.allocator.buffer(capacity: 0)
    }

    func channelActive(context: ChannelHandlerContext) {
        if !server.add(self) { context.close(promise: nil) }
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
        if context.channel.isWritable {
            watch.resume(at: .now())
            takePartial()
        }
        context.fireChannelWritabilityChanged()
    }

    private func takePartial() {
        var buffer = ByteBuffer()
        swap(&buffer, &partial)
        let offered = buffer.readableBytes
        // One clock reading for all that came together.
        let received = NIODeadline.now()
        do throws(FrameError) {
            try takeFrames(&buffer, received)
        } catch {
            return close(after: error)
        }
        let taken = offered - buffer.readableBytes
        watch.read(taken: taken, kept: buffer.readableBytes, at: received)
        guard buffer.readableBytes > 0 else { return }
        // Where many whole frames come the rest of this one is near, and the buffer is used again.
        if taken >= Self.manyFrames {
            buffer.discardReadBytes()
            partial = buffer
        } else {
            partial = fitted(buffer)
        }
    }

    /// The same bytes in a buffer of about their size: a client that sends them one by one must not hold a large one.
    private func fitted(_ buffer: ByteBuffer) -> ByteBuffer {
        let count = buffer.readableBytes
        guard let context, buffer.capacity > max(Self.smallPartial, 4 * count) else { return buffer }
        var fitted = context.channel.allocator.buffer(capacity: max(64, count))
        fitted.writeImmutableBuffer(buffer)
        return fitted
    }

    private func takeFrames(_ buffer: inout ByteBuffer, _ received: NIODeadline) throws(FrameError) {
        if !hasPreface {
            guard try Preface.read(from: &buffer) else { return }
            hasPreface = true
            server.greet(self)
        }
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
            } else if load >= Self.leastShare, load >= server.share {
                server.countShed()
                refuse(
                    header.stream, header.method, .resourceExhausted,
                    "too many requests in flight here while others wait"
                )
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

    /// A call of so many requests waits for its answer.
    func began(_ requests: Int = 1) {
        if inFlight == 0 { server.busy += 1 }
        inFlight += 1
        load += requests
    }

    func ended(_ requests: Int = 1) {
        inFlight -= 1
        load -= requests
        if inFlight == 0 { server.busy -= 1 }
        scheduleEnd()
    }

    /// Sends what this turn gathered.
    func flush() {
        isDirty = false
        guard let context else { return }
        if outgoing.readableBytes > 0 {
            if !context.channel.isWritable, unsentBytes > server.unreadBytes { return cut(.unread) }
            server.countSent(outgoing.readableBytes)
            watch.write(outgoing.readableBytes)
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

    // MARK: - Overdue

    /// Bytes of answers that the kernel has not taken.
    private var unsentBytes: Int {
        (try? context?.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }

    /// Ends the connection, or tells its client to go, if something has not happened for too long.
    func look(at now: NIODeadline) {
        guard context != nil, !isClosing else { return }
        let situation = ConnectionWatch.Situation(
            hasPreface: hasPreface, isGoingAway: isGoingAway, inFlight: inFlight,
            unsent: watch.hasSentAll ? 0 : unsentBytes)
        if let lapse = watch.lapse(at: now, situation, server.settings.timeouts, unreadBytes: server.unreadBytes) {
            guard lapse.isPolite else { return cut(lapse) }
            server.countCut(lapse)
            goAway()
        }
        if partial.readableBytes > 0 { partial = fitted(partial) }
    }

    private func cut(_ lapse: ConnectionWatch.Lapse) {
        isClosing = true
        server.countCut(lapse)
        close()
    }

    /// Tells the client to go elsewhere; the connection ends when its last request is answered.
    func goAway() {
        guard !isGoingAway else { return }
        guard hasPreface else { return close() }
        isGoingAway = true
        write(FrameHeader(kind: .goAway), atMost: 0) { _ in }
    }
}
