import NIOCore
import SluiceWire

/// Listens at one sentinel for the news that the primary is another. An accelerator only: news may be lost, and whoever
/// connects asks the sentinels in any case.
final class SentinelWatch {
    private static let channel = "+switch-master"
    /// Before the next sentinel is listened at.
    private static let pause = TimeAmount.seconds(1)

    private let set: RedisTarget.SentinelSet
    private let target: RedisTarget
    private let loop: any EventLoop
    private let moved: (Endpoint) -> Void
    private var turn = 0
    private var isOver = false
    private var connection: SentinelConnection?

    /// - Parameter moved: is told the new primary.
    init(
        set: RedisTarget.SentinelSet, target: RedisTarget, loop: any EventLoop, moved: @escaping (Endpoint) -> Void
    ) {
        self.set = set
        self.target = target
        self.loop = loop
        self.moved = moved
    }

    func start() {
        guard !isOver else { return }
        connection = SentinelConnection(
            to: set.endpoints[turn % set.endpoints.count], of: set, target, on: loop,
            command: ["SUBSCRIBE", Self.channel], timeout: nil,
            take: { [weak self] in self?.take($0) },
            end: { [weak self] _ in self?.listenElsewhere() })
    }

    func stop() {
        isOver = true
        connection?.close()
    }

    private func listenElsewhere() {
        turn = (turn + 1) % set.endpoints.count
        let me = NIOLoopBound(self, eventLoop: loop)
        loop.scheduleTask(in: Self.pause) { me.value.start() }
    }

    /// `message`, the channel, and `NAME OLD-HOST OLD-PORT NEW-HOST NEW-PORT`.
    private func take(_ reply: Reply) {
        guard reply.kind == .array, reply.count == 4, reply.kind(at: 3) == .text else { return }
        let words = String(decoding: reply.bytes(at: 3), as: UTF8.self).split(separator: " ").map(String.init)
        guard words.count == 5, words[0] == set.name,
            let primary = PrimaryFinder.endpoint(host: words[3], port: words[4])
        else { return }
        moved(primary)
    }
}
