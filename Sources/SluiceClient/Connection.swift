import NIOCore
import SluiceWire

/// The shell around one connection's machine: reads and writes the channel, tells the time, and completes calls.
final class Connection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let dispatcher: Dispatcher
    private let answerMargin: TimeAmount
    private let timer: DeadlineTimer
    private let goodLife: TimeAmount
    private var readyAt: NIODeadline?
    private var decoder: FrameDecoder
    private var machine: ConnectionMachine<Call>
    private var context: ChannelHandlerContext?
    /// Frames of this turn of the event loop, written together at its end.
    private var outbound = ByteBuffer()

    init(configuration: SluiceClient.Configuration, dispatcher: Dispatcher, eventLoop: any EventLoop) {
        let timeout = TimeAmount(configuration.connectTimeout.bounded)
        self.dispatcher = dispatcher
        self.answerMargin = TimeAmount(configuration.answerMargin.bounded)
        self.timer = DeadlineTimer(eventLoop: eventLoop)
        self.goodLife = TimeAmount(configuration.backoff.max.bounded)
        self.decoder = FrameDecoder(receivingFrom: .server, maxPayload: configuration.maxAnswerBytes)
        self.machine = ConnectionMachine(
            streamLimit: configuration.maxInFlight,
            greetingDeadline: .now() + timeout,
            probeTimeout: timeout
        )
    }

    var hello: WireHello? { machine.hello }
    var waiting: Int { machine.waiting }
    /// Whether the server behind it is one: it has answered, or was there for as long as any pause.
    var isGood: Bool { machine.hasAnswered || readyAt.map { $0 + goodLife <= .now() } ?? false }
    var isDrained: Bool { machine.isDrained }

    // MARK: Calls

    /// Takes a call, or leaves it to wait for room. Written at the next `flush`.
    func send(_ call: Call, now: NIODeadline) -> Bool {
        guard machine.hasRoom else { return false }
        switch call.content {
        case .request(let method, let payload):
            guard payload.count <= machine.maxPayload else {
                call.fail(.payloadTooLong(bytes: payload.count, limit: machine.maxPayload))
                return true
            }
            guard let micros = micros(until: call.deadline, now: now) else {
                call.fail(.deadlineExceeded)
                return true
            }
            guard let stream = machine.register(call, method: method, deadline: call.deadline) else { return false }
            let header = FrameHeader(kind: .request, method: method, stream: stream, micros: micros)
            outbound.writeFrame(header, payload: payload)
        case .ping:
            guard let token = machine.registerPing(call, sent: now, deadline: call.deadline) else { return false }
            writePing(token)
        }
        timer.arm(for: call.deadline)
        return true
    }

    /// The deadline as the server is told it, in µs; nil if it has come. Never 0, which would mean the server's default.
    private func micros(until deadline: NIODeadline, now: NIODeadline) -> UInt32? {
        let remaining = deadline - now
        guard remaining.nanoseconds > 0 else { return nil }
        let told = remaining.nanoseconds - min(answerMargin.nanoseconds, remaining.nanoseconds / 2)
        return UInt32(clamping: max(1, told / 1_000))
    }

    private func writePing(_ token: UInt64) {
        FrameHeader(length: 8, kind: .ping).write(into: &outbound)
        outbound.writeInteger(token)
    }

    /// Writes what `send` and the frames received since have gathered.
    func flush() {
        guard outbound.readableBytes > 0, let context else { return }
        context.writeAndFlush(wrapOutboundOut(outbound), promise: nil)
        outbound.clear()
    }

    /// Stops waiting for a call, if it is this connection's.
    func cancel(_ cancellation: Cancellation) {
        for call in machine.abandon(where: { $0.cancellation === cancellation }) {
            call.fail(.cancelled)
        }
    }

    /// Ends the connection and fails whoever still waits. Does nothing the second time.
    func close(_ error: SluiceClientError) {
        guard let context = exchange(&self.context, with: nil) else { return }
        timer.cancel()
        for call in machine.close() {
            call.fail(error)
        }
        context.close(promise: nil)
        dispatcher.connectionClosed(self, error: error)
    }

    private func expire() {
        let expiry = machine.expire(now: .now())
        for call in expiry.expired {
            call.fail(.deadlineExceeded)
        }
        switch expiry.consequence {
        case .none: break
        case .probe(let token): writePing(token)
        case .close(let error): close(error)
        }
        if let next = expiry.next, context != nil { timer.arm(for: next) }
        dispatcher.settle()
        flush()
    }

    // MARK: Channel

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        timer.fire = { [weak self] in self?.expire() }
        Preface.write(into: &outbound)
        flush()
        expire()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        decoder.append(unwrapInboundIn(data))
        do throws(FrameError) {
            while self.context != nil, let frame = try decoder.next() {
                perform(machine.receive(frame))
            }
        } catch {
            close(.malformedAnswer(why: "\(error)"))
        }
    }

    private func perform(_ action: ConnectionMachine<Call>.Action) {
        switch action {
        case .ready:
            readyAt = .now()
            dispatcher.connectionReady(self)
        case .answer(let call, .ok, let payload): call.succeed(.payload(payload))
        case .answer(let call, let status, let payload): refuse(call, status: status, payload: payload)
        case .pong(let call, let sent): call.succeed(.pong(roundTrip: .now() - sent))
        case .reply(let payload):
            outbound.writeFrame(FrameHeader(kind: .pong), payload: payload.readableBytesView)
        case .drain: dispatcher.connectionDraining(self)
        case .nothing: break
        case .close(let error): close(error)
        }
    }

    private func refuse(_ call: Call, status: WireStatus, payload: ByteBuffer) {
        // A server that goes away says so for what it read too late; another connection may still be in time.
        if status == .unavailable, machine.isDraining, !call.isRepeated {
            dispatcher.repeatCall(call)
            return
        }
        let message = (try? WireError(payload: payload))?.message ?? ""
        call.fail(.status(status, message: message))
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        dispatcher.settle()
        flush()
    }

    func channelInactive(context: ChannelHandlerContext) {
        close(.connectionLost(why: "the server closed it"))
        dispatcher.settle()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        close(.connectionLost(why: "\(error)"))
        dispatcher.settle()
    }
}
