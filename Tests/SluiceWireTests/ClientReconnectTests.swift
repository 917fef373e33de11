import NIOCore
import SluiceWire
import Testing

@testable import SluiceClient

/// How the client finds a server, and leaves one that goes away.
@Suite(.timeLimit(.minutes(1)))
struct ClientReconnectTests {
    @Test
    func `A call made before there is a server waits for it`() async throws {
        let gone = try await FakeServer.start { _, _ in }
        try await gone.stop()
        guard case .tcp(_, let port) = gone.endpoint else { return }
        let client = SluiceClient(configuration(gone))
        async let answer = client.check(request(5))
        try await Task.sleep(for: .milliseconds(50))
        let server = try await FakeServer.start(port: port) { $1.answer($0, echo($0)) }
        #expect(try await answer.generation == 5)
        await client.shutdown()
        try await server.stop()
    }

    @Test
    func `Without a server a call fails at its deadline and says why`() async throws {
        let gone = try await FakeServer.start { _, _ in }
        try await gone.stop()
        let client = SluiceClient(configuration(gone))
        let error = await failure { () throws(SluiceClientError) in
            try await client.check(request(1), deadline: .seconds(1))
        }
        guard case .unreachable(gone.endpoint, let why) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(why.contains("refused"))
        #expect(error?.mayHaveCounted == false)
        await client.shutdown()
    }

    @Test
    func `A server that accepts and says nothing is no server`() async throws {
        let server = try await FakeServer.start(hello: nil) { _, _ in }
        var impatient = configuration(server)
        impatient.connectTimeout = .milliseconds(20)
        let client = SluiceClient(impatient)
        let error = await failure { () throws(SluiceClientError) in
            try await client.check(request(1), deadline: .milliseconds(300))
        }
        #expect(error?.mayHaveCounted == false)
        while server.connections < 2 { try await Task.sleep(for: .milliseconds(5)) }
        #expect(server.received.isEmpty)
        await client.shutdown()
        try await server.stop()
    }

    @Test
    func `After GOAWAY new calls take a new connection and old ones are still answered`() async throws {
        let server = try await FakeServer.start { frame, connection in
            switch echo(frame).generation {
            case 2:
                connection.send(FrameCorpus.goAway)
                connection.after(.milliseconds(100)) { connection.answer(frame, echo(frame)) }
            default:
                connection.answer(frame, echo(frame))
            }
        }
        let client = SluiceClient(configuration(server))
        _ = try await client.check(request(1))
        async let old = client.check(request(2))
        while server.connections < 2 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(try await client.check(request(3)).generation == 3)
        #expect(try await old.generation == 2)
        #expect(server.received.map(\.connection) == [0, 0, 1])
        await client.shutdown()
        try await server.stop()
    }

    @Test
    func `What a server going away refused uncounted is sent again, once`() async throws {
        let server = try await FakeServer.start { frame, connection in
            guard echo(frame).generation == 2 else { return connection.answer(frame, echo(frame)) }
            connection.send(FrameCorpus.goAway)
            connection.answer(frame, WireError(), status: .unavailable)
        }
        let client = SluiceClient(configuration(server))
        _ = try await client.check(request(1))
        await #expect(throws: SluiceClientError.status(.unavailable, message: "")) {
            try await client.check(request(2))
        }
        #expect(server.received.map(\.connection) == [0, 0, 1])
        #expect(try await client.check(request(3)).generation == 3)
        await client.shutdown()
        try await server.stop()
    }

    @Test
    func `Other endpoints are tried at once, when a server is not there and when one goes away`() async throws {
        let gone = try await FakeServer.start { _, _ in }
        try await gone.stop()
        let first = try await FakeServer.start { frame, connection in
            connection.answer(frame, echo(frame))
            connection.send(FrameCorpus.goAway)
        }
        let second = try await FakeServer.start { $1.answer($0, echo($0)) }
        var all = configuration(gone)
        all.otherEndpoints = [first.endpoint, second.endpoint]
        // A pause would outlast the calls.
        all.backoff.initial = .seconds(30)
        all.backoff.max = .seconds(30)
        all.backoff.jitter = 0
        let client = SluiceClient(all)
        #expect(try await client.check(request(1)).generation == 1)
        #expect(try await client.check(request(2)).generation == 2)
        #expect(first.received.count == 1)
        #expect(second.received.count == 1)
        await client.shutdown()
        try await first.stop()
        try await second.stop()
    }

    @Test
    func `The wait between attempts doubles up to its maximum, with full jitter`() {
        let backoff = SluiceClient.Backoff()
        #expect(backoff.delay(afterFailures: 0, random: 1) == .milliseconds(20))
        #expect(backoff.delay(afterFailures: 3, random: 1) == .milliseconds(160))
        #expect(backoff.delay(afterFailures: 3, random: 0) == .zero)
        #expect(backoff.delay(afterFailures: 3, random: 0.5) == .milliseconds(80))
        #expect(backoff.delay(afterFailures: 1_000, random: 1) == .seconds(2))
        var steady = backoff
        steady.jitter = 0
        #expect(steady.delay(afterFailures: 0, random: 0.3) == .milliseconds(20))
    }
}
