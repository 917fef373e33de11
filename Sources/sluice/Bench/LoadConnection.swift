import Histogram
import NIOCore
import SluiceWire
import Synchronization

/// What all connections of a load look at, each time they have read something.
final class LoadPhase: Sendable {
    enum Phase: Int, AtomicRepresentable {
        /// Sending, not yet counting.
        case warmUp
        case measured
        /// Sending no more, and closing once all is answered.
        case ending
    }

    private let phase = Atomic(Phase.warmUp)

    var current: Phase { phase.load(ordering: .relaxed) }

    func move(to next: Phase) { phase.store(next, ordering: .relaxed) }
}

/// One closed loop: as many requests in flight as told, a new one for each answer.
final class LoadConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    struct Tally: Sendable {
        var decisions: UInt64 = 0
        /// Answers that were not allow, or not by Redis.
        var exceptions: UInt64 = 0
        /// In ns.
        var latencies = Histogram<UInt32>(highestTrackableValue: 60_000_000_000)
        /// Why the connection ended before it was told to.
        var problem: String?

        mutating func add(_ other: Tally) {
            decisions += other.decisions
            exceptions += other.exceptions
            latencies.add(other.latencies)
            problem = problem ?? other.problem
        }
    }

    private let work = StandardWork()
    private let inFlight: Int
    private let phase: LoadPhase
    private let done: EventLoopPromise<Tally>
    private var choice: EntityChoice
    private var decoder = FrameDecoder(receivingFrom: .server, maxPayload: 1 << 20)
    private var tally = Tally()
    /// When the request of each stream left; stream 1 is the first.
    private var sentAt: [NIODeadline]
    private var outstanding = 0
    private var outgoing = ByteBuffer()

    /// - Parameter done: told what was counted when the connection has closed.
    init(inFlight: Int, choice: EntityChoice, phase: LoadPhase, done: EventLoopPromise<Tally>) {
        self.inFlight = inFlight
        self.choice = choice
        self.phase = phase
        self.done = done
        sentAt = Array(repeating: .now(), count: inFlight)
    }

    func channelActive(context: ChannelHandlerContext) {
        Preface.write(into: &outgoing)
        let now = NIODeadline.now()
        for stream in 1...inFlight { send(stream: UInt32(stream), at: now) }
        flush(context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        decoder.append(unwrapInboundIn(data))
        let now = NIODeadline.now()
        let phase = phase.current
        do {
            while let frame = try decoder.next() { take(frame, at: now, phase) }
        } catch {
            fail("\(error)", context)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        flush(context)
        if outstanding == 0 { context.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if outstanding > 0, tally.problem == nil { tally.problem = "the service closed the connection" }
        done.succeed(tally)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail("\(error)", context)
    }

    private func take(_ frame: Frame, at now: NIODeadline, _ phase: LoadPhase.Phase) {
        guard frame.header.kind == .response, (1...inFlight).contains(Int(frame.header.stream)) else { return }
        outstanding -= 1
        if frame.header.status != .ok || !StandardWork.isAllowedByRedis(frame.payload) { tally.exceptions += 1 }
        if phase == .measured {
            tally.decisions += 1
            let taken = now - sentAt[Int(frame.header.stream) - 1]
            tally.latencies.record(UInt64(max(taken.nanoseconds, 0)))
        }
        if phase != .ending { send(stream: frame.header.stream, at: now) }
    }

    private func send(stream: UInt32, at now: NIODeadline) {
        guard let (user, device, merchant) = choice.advance() else { return }
        sentAt[Int(stream) - 1] = now
        outstanding += 1
        work.write(stream: stream, entity: { $0 == 0 ? user : $0 == 1 ? device : merchant }, into: &outgoing)
    }

    private func flush(_ context: ChannelHandlerContext) {
        guard outgoing.readableBytes > 0 else { return }
        context.writeAndFlush(wrapOutboundOut(outgoing), promise: nil)
        outgoing = context.channel.allocator.buffer(capacity: outgoing.readableBytes)
    }

    private func fail(_ problem: String, _ context: ChannelHandlerContext) {
        tally.problem = tally.problem ?? problem
        context.close(promise: nil)
    }
}
