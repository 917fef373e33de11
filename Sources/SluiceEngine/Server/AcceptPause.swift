import Foundation
import Logging
import NIOCore
import Synchronization

/// How often accepting was paused, over all listeners of a service.
final class AcceptCount: Sendable {
    private let counted = Atomic<UInt64>(0)

    var pauses: UInt64 { counted.load(ordering: .relaxed) }
    fileprivate func add() { counted.wrappingAdd(1, ordering: .relaxed) }
}

/// On a listening socket: stops accepting for a moment when there is no descriptor or memory for another connection.
///
/// The socket stays readable then. Asked again at once, as NIO would, a whole core goes into being told no.
final class AcceptPause: ChannelInboundHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel

    private static let shortest = TimeAmount.milliseconds(50)
    private static let longest = TimeAmount.seconds(1)

    private let listener: String
    private let count: AcceptCount
    private let logger: Logger
    /// Descriptors held for the worst: one is given up for a connection that finds none.
    private var spares: [Int32] = []
    private let mostSpares: Int
    private var isRefillScheduled = false
    /// Doubles with each pause; nil while all is well.
    private var pause: TimeAmount?
    private var resumption: Scheduled<Void>?

    /// - Parameter spares: how many connections are accepted at once when there is no descriptor left.
    init(listener: String, count: AcceptCount, spares: Int, logger: Logger) {
        mostSpares = spares
        self.listener = listener
        self.count = count
        self.logger = logger
    }

    func handlerAdded(context: ChannelHandlerContext) {
        refill()
    }

    private func refill() {
        while spares.count < mostSpares {
            let spare = open("/dev/null", O_RDONLY | O_CLOEXEC)
            guard spare >= 0 else { return }
            spares.append(spare)
        }
    }

    /// Accepts once more, with a descriptor that was held back; it is held back again when there are some.
    private func giveUpSpare(_ context: ChannelHandlerContext) -> Bool {
        guard let spare = spares.popLast() else { return false }
        try? context.channel.syncOptions?.setOption(.autoRead, value: false)
        close(spare)
        try? context.channel.syncOptions?.setOption(.autoRead, value: true)
        guard !isRefillScheduled else { return true }
        isRefillScheduled = true
        context.eventLoop.assumeIsolated().scheduleTask(in: Self.longest) {
            self.isRefillScheduled = false
            self.refill()
        }
        return true
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if pause != nil {
            pause = nil
            logger.notice("accepting connections again", metadata: ["listener": "\(listener)"])
        }
        context.fireChannelRead(data)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let code = (error as? IOError)?.errnoCode, [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(code) else {
            return context.fireErrorCaught(error)
        }
        guard resumption == nil, !giveUpSpare(context) else { return }
        if pause == nil {
            logger.error(
                "accepting is paused until there are descriptors; the limit of open files (LimitNOFILE) is too low",
                metadata: ["listener": "\(listener)", "error": "\(String(cString: strerror(code)))"])
        }
        count.add()
        let next = min(pause.map { $0 * 2 } ?? Self.shortest, Self.longest)
        pause = next
        // Not by holding back reads: a read that failed is still pending, and is tried for as long as it is.
        try? context.channel.syncOptions?.setOption(.autoRead, value: false)
        resumption = context.eventLoop.assumeIsolated().scheduleTask(in: next) {
            self.resumption = nil
            try? context.channel.syncOptions?.setOption(.autoRead, value: true)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        resumption?.cancel()
        resumption = nil
        for spare in spares { close(spare) }
        spares = []
        context.fireChannelInactive()
    }
}
