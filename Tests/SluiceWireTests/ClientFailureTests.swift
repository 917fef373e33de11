import NIOCore
import SluiceClient
import SluiceWire
import Synchronization
import Testing

/// The client against servers that are late, silent, broken or gone.
@Suite(.timeLimit(.minutes(1)))
struct ClientFailureTests {
    @Test
    func `A call is over at its deadline, and its late answer is nobody else's`() async throws {
        let late = Mutex<Frame?>(nil)
        let server = try await FakeServer.start { frame, connection in
            if echo(frame).generation == 1 { return late.withLock { $0 = frame } }
            if let late = late.withLock({ exchange(&$0, with: nil) }) { connection.answer(late, echo(late)) }
            connection.answer(frame, echo(frame))
        }
        let client = SluiceClient(configuration(server))
        try await connected(client)
        let start = ContinuousClock.now
        await #expect(throws: SluiceClientError.deadlineExceeded) {
            try await client.check(request(1), deadline: .milliseconds(40))
        }
        #expect((Duration.milliseconds(40)..<Duration.seconds(5)).contains(ContinuousClock.now - start))
        for number in 2..<20 {
            #expect(try await client.check(request(number)).generation == UInt64(number))
        }
        #expect(server.connections == 1)
        await client.shutdown()
        try await server.stop()
    }

    @Test
    func `Every call to a server that never answers is over at its own deadline`() async throws {
        let server = try await FakeServer.start { _, _ in }
        let client = SluiceClient(configuration(server))
        try await connected(client)
        await withTaskGroup(of: Void.self) { group in
            for number in 1...64 {
                group.addTask {
                    let deadline = Duration.milliseconds(10 + 5 * (number % 7))
                    let start = ContinuousClock.now
                    let error = await failure { () throws(SluiceClientError) in
                        try await client.check(request(number), deadline: deadline)
                    }
                    #expect(error?.mayHaveCounted == true)
                    #expect(ContinuousClock.now - start >= deadline)
                    #expect(ContinuousClock.now - start < .seconds(5))
                }
            }
        }
        await client.shutdown()
        try await server.stop()
    }

    @Test
    func `A silent connection is given up and another one opened`() async throws {
        let server = try await FakeServer.start(answersPings: false) { frame, connection in
            guard connection.index > 0 else { return }
            if frame.header.kind == .ping { connection.pong(frame) } else { connection.answer(frame, echo(frame)) }
        }
        var impatient = configuration(server)
        impatient.connectTimeout = .milliseconds(500)
        let client = SluiceClient(impatient)
        try await connected(client)
        while server.connections < 2 {
            _ = await failure { () throws(SluiceClientError) in
                try await client.check(request(1), deadline: .milliseconds(20))
            }
        }
        #expect(try await client.check(request(3)).generation == 3)
        await client.shutdown()
        try await server.stop()
    }

    @Test
    func `A connection reset fails what is in flight as unknown, and the next call is answered`() async throws {
        let server = try await FakeServer.start { frame, connection in
            if connection.index == 0 { connection.reset() } else { connection.answer(frame, echo(frame)) }
        }
        let client = SluiceClient(configuration(server))
        let error = await failure { () throws(SluiceClientError) in try await client.check(request(1)) }
        guard case .connectionLost = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(error?.mayHaveCounted == true)
        #expect(try await client.check(request(2)).generation == 2)
        await client.shutdown()
        try await server.stop()
    }

    @Test(arguments: [
        [0xFF] + [UInt8](repeating: 0xFF, count: 40),
        Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8),
        FrameCorpus.bytes(FrameCorpus.hello),
        FrameCorpus.bytes(FrameCorpus.checkRequest),
        FrameCorpus.bytes(FrameCorpus.errorResponse),
        [0x7F, 0xFF, 0xFF, 0xFF, 2, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0],
    ])
    func `Garbage ends the connection, not the client`(garbage: [UInt8]) async throws {
        let server = try await FakeServer.start { frame, connection in
            if connection.index == 0 {
                connection.send(ByteBuffer(bytes: garbage))
            } else {
                connection.answer(frame, echo(frame))
            }
        }
        let client = SluiceClient(configuration(server))
        let error = await failure { () throws(SluiceClientError) in try await client.check(request(1)) }
        guard case .malformedAnswer = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(try await client.check(request(2)).generation == 2)
        await client.shutdown()
        try await server.stop()
    }

    @Test
    func `An answer that cannot be decoded fails its own call only`() async throws {
        let server = try await FakeServer.start { frame, connection in
            guard echo(frame).generation == 1 else { return connection.answer(frame, echo(frame)) }
            var buffer = ByteBuffer()
            let header = FrameHeader(kind: .response, method: .check, stream: frame.header.stream)
            buffer.writeFrame(header, payload: [0xFF, 0xFF])
            connection.send(buffer)
        }
        let client = SluiceClient(configuration(server))
        await #expect(throws: SluiceClientError.malformedAnswer(why: "a payload that cannot be decoded")) {
            try await client.check(request(1))
        }
        #expect(try await client.check(request(2)).generation == 2)
        #expect(server.connections == 1)
        await client.shutdown()
        try await server.stop()
    }

    @Test
    func `A cancelled task stops waiting at once`() async throws {
        let server = try await FakeServer.start { frame, connection in
            if echo(frame).generation == 2 { connection.answer(frame, echo(frame)) }
        }
        let client = SluiceClient(configuration(server))
        let waiting = Task { await failure { () throws(SluiceClientError) in try await client.check(request(1)) } }
        while server.received.isEmpty { try await Task.sleep(for: .milliseconds(1)) }
        waiting.cancel()
        #expect(await waiting.value == .cancelled)

        let early = Task { () -> SluiceClientError? in
            while !Task.isCancelled { await Task.yield() }
            return await failure { () throws(SluiceClientError) in try await client.check(request(1)) }
        }
        early.cancel()
        #expect(await early.value == .cancelled)
        #expect(try await client.check(request(2)).generation == 2)
        await client.shutdown()
        try await server.stop()
    }
}
