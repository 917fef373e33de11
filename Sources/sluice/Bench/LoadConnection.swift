import NIOCore
import SluiceWire

/// One connection of a load: sends as its pace says, and counts what comes back.
final class LoadConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Told to a connection as a user event.
    enum Phase: Sendable {
        /// Sending, not yet counting.
        case warmUp
        case measured
        /// Sending no more, and closing once all is answered.
        case ending
    }

    /// When a request goes out.
    enum Pace: Hashable, Sendable {
        /// As soon as another was answered.
        case closed
        /// All at once, as soon as all were answered: the same work in the same order each time.
        case inStep
        /// When it is due, every so many ns, whatever became of those before; the first at this offset.
        case due(everyNs: Double, offsetNs: Double)
    }

    /// A request under way, by its stream.
    private struct Sent {
        /// Nil where none is.
        var kind: StandardWork.Kind?
        /// When it left, or was due to.
        var since = NIODeadline.uptimeNanoseconds(0)
    }

    /// How long answers are waited for once nothing is sent any more.
    private static let patience = TimeAmount.seconds(5)

    private let work = StandardWork.Kind.allCases.map { StandardWork($0) }
    private let pace: Pace
    private let knowsVerdicts: Bool
    private let done: EventLoopPromise<LoadTally>
    private var choice: EntityChoice
    private var decoder = FrameDecoder(receivingFrom: .server, maxPayload: 1 << 20)
    private var tally = LoadTally()
    private var phase = Phase.warmUp
    /// Stream 1 is the first.
    private var sent: [Sent]
    private var free: [UInt32]
    private var outstanding = 0
    private var outgoing = ByteBuffer()

    private var began = NIODeadline.uptimeNanoseconds(0)
    private var measuredFrom = NIODeadline.distantFuture
    private var measuredUntil = NIODeadline.distantFuture
    /// Number of the next request that falls due.
    private var turn = 0
    private var timer: Scheduled<Void>?

    /// - Parameters:
    ///   - mostInFlight: requests unanswered at any time, at most.
    ///   - knowsVerdicts: whether the limits in force are the benchmark's own.
    ///   - done: told what was counted when the connection has closed.
    init(
        pace: Pace,
        mostInFlight: Int,
        choice: EntityChoice,
        knowsVerdicts: Bool,
        done: EventLoopPromise<LoadTally>
    ) {
        self.pace = pace
        self.knowsVerdicts = knowsVerdicts
        self.choice = choice
        self.done = done
        sent = Array(repeating: Sent(), count: mostInFlight)
        free = (1...UInt32(mostInFlight)).reversed()
    }

    // MARK: Events

    func channelActive(context: ChannelHandlerContext) {
        Preface.write(into: &outgoing)
        began = .now()
        pump(context, at: began)
        flush(context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        decoder.append(unwrapInboundIn(data))
        let now = NIODeadline.now()
        do {
            while let frame = try decoder.next() {
                take(frame, at: now)
                // In a closed loop the request that follows an answer leaves at the time of that answer.
                if case .closed = pace { pump(context, at: now) }
            }
        } catch {
            fail("\(error)", context)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        pump(context, at: .now())
        flush(context)
        closeWhenAnswered(context)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let phase = event as? Phase else { return context.fireUserInboundEventTriggered(event) }
        self.phase = phase
        switch phase {
        case .warmUp: break
        case .measured: measuredFrom = .now()
        case .ending:
            measuredUntil = .now()
            timer?.cancel()
            countUnsent()
            closeWhenAnswered(context)
            let connection = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            timer = context.eventLoop.scheduleTask(in: Self.patience) {
                let (handler, context) = connection.value
                handler.giveUp(context)
            }
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        if outstanding > 0, tally.unanswered == 0 { tally.problem = tally.problem ?? "the service closed it" }
        done.succeed(tally)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail("\(error)", context)
    }

    private func fail(_ problem: String, _ context: ChannelHandlerContext) {
        tally.problem = tally.problem ?? problem
        context.close(promise: nil)
    }

    // MARK: Answers

    private func take(_ frame: Frame, at now: NIODeadline) {
        guard frame.header.kind == .response else { return }
        let index = Int(frame.header.stream) - 1
        guard sent.indices.contains(index), let kind = sent[index].kind else {
            tally.errors += 1
            return
        }
        let since = sent[index].since
        sent[index].kind = nil
        free.append(frame.header.stream)
        outstanding -= 1
        judge(frame, kind)
        if phase == .measured { tally.decisions += 1 }
        if isMeasured(since) { tally.record(ns: (now - since).nanoseconds) }
    }

    /// In a closed loop by when it was answered; at a rate by when it was due, and then every one counts.
    private func isMeasured(_ since: NIODeadline) -> Bool {
        switch pace {
        case .closed, .inStep: phase == .measured
        case .due: measuredFrom <= since && since < measuredUntil
        }
    }

    /// What is wrong counts whenever it happens; the rest is counted while measuring.
    private func judge(_ frame: Frame, _ kind: StandardWork.Kind) {
        guard frame.header.status == .ok, let answer = StandardWork.answer(frame.payload) else {
            tally.errors += 1
            return
        }
        guard answer.isDecided else {
            tally.fallbacks += 1
            return
        }
        if phase == .measured {
            if answer.isRefused { tally.refused += 1 }
            if answer.isFromCache { tally.fromCache += 1 }
        }
        guard knowsVerdicts else { return }
        if !(kind == .refused ? answer.isRefused : answer.isAllowed) { tally.wrongVerdicts += 1 }
    }

    private func closeWhenAnswered(_ context: ChannelHandlerContext) {
        guard outstanding == 0 else { return }
        switch pace {
        // Nothing was sent though it could have been: there is no more to send.
        case .closed, .inStep: context.close(promise: nil)
        case .due: if phase == .ending { context.close(promise: nil) }
        }
    }

    private func giveUp(_ context: ChannelHandlerContext) {
        for request in sent where request.kind != nil {
            tally.unanswered += 1
            if isMeasured(request.since) { tally.record(ns: (measuredUntil - request.since).nanoseconds) }
        }
        context.close(promise: nil)
    }

    // MARK: Requests

    private func pump(_ context: ChannelHandlerContext, at now: NIODeadline) {
        guard phase != .ending else { return }
        switch pace {
        case .closed:
            while !free.isEmpty, send(at: now) {}
        case .inStep:
            guard outstanding == 0 else { return }
            while !free.isEmpty, send(at: now) {}
        case .due:
            while !free.isEmpty, due(turn) <= now, send(at: due(turn)) { turn += 1 }
            // With none free the next answer leads here again.
            if !free.isEmpty { wake(context, at: due(turn)) }
        }
    }

    private func due(_ turn: Int) -> NIODeadline {
        guard case .due(let everyNs, let offsetNs) = pace else { return .distantFuture }
        return began + .nanoseconds(Int64(offsetNs + Double(turn) * everyNs))
    }

    private func wake(_ context: ChannelHandlerContext, at time: NIODeadline) {
        guard timer == nil else { return }
        let connection = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(deadline: time) {
            let (handler, context) = connection.value
            handler.timer = nil
            handler.pump(context, at: .now())
            handler.flush(context)
        }
    }

    private func countUnsent() {
        while case let time = due(turn), time < measuredUntil {
            if isMeasured(time) {
                tally.unsent += 1
                tally.record(ns: (measuredUntil - time).nanoseconds)
            }
            turn += 1
        }
    }

    /// - Returns: whether there was one to send.
    private func send(at now: NIODeadline) -> Bool {
        guard let (kind, entities) = choice.advance(), let stream = free.popLast() else { return false }
        sent[Int(stream) - 1] = Sent(kind: kind, since: now)
        outstanding += 1
        work[kind.rawValue].write(stream: stream, entities, into: &outgoing)
        return true
    }

    private func flush(_ context: ChannelHandlerContext) {
        guard outgoing.readableBytes > 0 else { return }
        context.writeAndFlush(wrapOutboundOut(outgoing), promise: nil)
        outgoing = context.channel.allocator.buffer(capacity: outgoing.readableBytes)
    }
}
