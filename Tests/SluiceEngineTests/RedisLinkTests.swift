import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SluiceModel
import SluiceWire
import TestSupport
import Testing

@testable import SluiceEngine

@Suite("The Redis link alone", .timeLimit(.minutes(1)))
final class RedisLinkTests {
    /// What a link has told its user.
    enum Event: Equatable {
        case ready
        case lost
        case notConnected
        case answered(String)
        case failed(RunOutcome)
    }

    private final class Listener: RedisLinkUser {
        let events: NIOLockedValueBox<[Event]>

        init(_ events: NIOLockedValueBox<[Event]>) { self.events = events }

        private func add(_ event: Event) { events.withLockedValue { $0.append(event) } }
        func linkBecameReady() { add(.ready) }
        func linkWasLost() { add(.lost) }
        func linkCouldNotConnect() { add(.notConnected) }
        func runAnswered(_ run: Batch, _ reply: Reply) { add(.answered(reply.string)) }
        func runFailed(_ run: Batch, _ outcome: RunOutcome) { add(.failed(outcome)) }
    }

    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let events = NIOLockedValueBox<[Event]>([])
    private var link: NIOLoopBound<(RedisLink, Listener)>?

    deinit { try? group.syncShutdownGracefully() }

    private func start(_ target: RedisTarget) async throws {
        let (loop, events) = (group.next(), events)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        link = try await loop.submit { [logger] in
            let pair = (RedisLink(target: target, loop: loop, logger: logger), Listener(events))
            pair.0.start(user: pair.1)
            return NIOLoopBound(pair, eventLoop: loop)
        }.get()
    }

    private func run<R: Sendable>(_ body: @escaping @Sendable (RedisLink) -> R) async throws -> R {
        let link = try #require(link)
        return try await group.next().submit { body(link.value.0) }.get()
    }

    private func send(_ words: String..., asking: Bool = false) async throws {
        try await run { link in
            let rules = ActiveRules(nil, path: "", generation: 1, keyPrefix: "sluice")
            let batch = Batch(rules: rules)
            batch.set(command: words.map { Array($0.utf8) })
            link.send(batch, asking: asking)
        }
    }

    private func wait(_ isSo: ([Event]) -> Bool, _ sourceLocation: SourceLocation = #_sourceLocation) async throws {
        for _ in 0..<600 {
            if isSo(events.withLockedValue { $0 }) { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        Issue.record("\(events.withLockedValue { $0 })", sourceLocation: sourceLocation)
    }

    @Test("ASKING goes in front of the run that it is for, and its reply to nobody")
    func asking() async throws {
        for arguments in [[], ["--cluster-enabled", "yes"]] {
            let redis = try RedisServer(arguments, port: arguments.isEmpty ? 0 : FreePort.find())
            try await start(RedisTarget(endpoint: .unix(path: redis.socket)))
            try await wait { $0 == [.ready] }
            try await send("ECHO", "first")
            try await send("ECHO", "second", asking: true)
            try await send("ECHO", "third")
            try await wait { $0.count == 4 }
            #expect(
                events.withLockedValue { $0 }
                    == [.ready, .answered("first"), .answered("second"), .answered("third")])
            let calls = try redis.cli("INFO", "commandstats")
            #expect(calls.contains("cmdstat_asking:calls=1"))
            try await run { $0.shutDown() }
            events.withLockedValue { $0 = [] }
        }
    }

    @Test("A node of a cluster without slots says so, and stays connected")
    func clusterDown() async throws {
        let redis = try RedisServer(["--cluster-enabled", "yes"], port: FreePort.find())
        try await start(RedisTarget(endpoint: .tcp(host: "127.0.0.1", port: redis.port)))
        try await wait { $0 == [.ready] }
        try await send("GET", "key")
        try await wait { $0.count == 2 }
        #expect(events.withLockedValue { $0 } == [.ready, .failed(.redirected(.clusterDown))])
        #expect(try await run { $0.isReady })
        try await run { $0.shutDown() }
    }

    @Test("Each failed attempt is told, with the reason at hand")
    func notConnected() async throws {
        try await start(RedisTarget(endpoint: .tcp(host: "name.invalid", port: 1)))
        try await wait { $0.count >= 2 }
        #expect(events.withLockedValue { $0.prefix(2) } == [.notConnected, .notConnected])
        #expect(try await run { $0.lastError } == "the host name.invalid has no address")
        try await run { $0.shutDown() }
    }

    @Test("Bytes that are no reply end the connection, and are counted; replies in crumbs are whole")
    func broken() async throws {
        let path = "/tmp/sluice-test-\(UUID().uuidString.prefix(8)).sock"
        defer { try? FileManager.default.removeItem(atPath: path) }
        // A server that answers every command of the handshake well, a byte at a time, and then says what is no reply.
        let replies = "+OK\r\n$0\r\n\r\n*2\r\n$6\r\nmaster\r\n:0\r\n$1\r\na\r\n$1\r\nb\r\n"
        let server = try await ServerBootstrap(group: group).childChannelInitializer { channel in
            let loop = channel.eventLoop
            for (turn, byte) in replies.utf8.enumerated() {
                loop.scheduleTask(in: .milliseconds(Int64(turn))) {
                    channel.writeAndFlush(ByteBuffer(bytes: [byte]), promise: nil)
                }
            }
            loop.scheduleTask(in: .milliseconds(300)) {
                channel.writeAndFlush(ByteBuffer(string: "HTTP/1.1 400 Bad Request\r\n"), promise: nil)
            }
            return loop.makeSucceededVoidFuture()
        }.bind(unixDomainSocketPath: path).get()
        try await start(RedisTarget(endpoint: .unix(path: path)))
        try await wait { $0 == [.ready] }
        #expect(try await run { $0.digest(of: .undo) } == Array("b".utf8))
        try await send("PING")
        try await wait { $0.contains(.lost) }
        #expect(
            events.withLockedValue { $0.prefix(3) } == [.ready, .failed(.unknown(.connectionLost)), .lost])
        #expect(try await run { [$0.brokenReplies, $0.losses] } == [1, 1])
        try await run { $0.shutDown() }
        try await server.close()
    }

    @Test("News of another primary is taken from a sentinel, for the name that is ours alone")
    func switchMaster() async throws {
        // Any server tells what is published; a sentinel only publishes more of itself.
        let redis = try RedisServer(port: FreePort.find())
        let set = RedisTarget.SentinelSet(
            name: "main", endpoints: [.tcp(host: "127.0.0.1", port: 1), .tcp(host: "127.0.0.1", port: redis.port)])
        let told = NIOLockedValueBox<[Endpoint]>([])
        let loop = group.next()
        let watch = try await loop.submit {
            let watch = SentinelWatch(set: set, target: RedisTarget(topology: .sentinel(set)), loop: loop) { primary in
                told.withLockedValue { $0.append(primary) }
            }
            watch.start()
            return NIOLoopBound(watch, eventLoop: loop)
        }.get()
        let look = try RedisConnection(socket: redis.socket)
        for _ in 0..<600 where try look.command("PUBSUB", "NUMSUB", "+switch-master").elements.last?.number != 1 {
            try await Task.sleep(for: .milliseconds(5))
        }
        for news in ["other a 1 b 2", "main a 1 b", "main a 1 b 0", "main a 1 b 65536", "", "main a 1 b 2"] {
            try look.command("PUBLISH", "+switch-master", news)
        }
        for _ in 0..<600 where told.withLockedValue({ $0.isEmpty }) { try await Task.sleep(for: .milliseconds(5)) }
        #expect(told.withLockedValue { $0 } == [.tcp(host: "b", port: 2)])
        try await loop.submit { watch.value.stop() }.get()
    }
}
