import NIOCore
import SluiceClient
import SluiceWire
import Synchronization
import Testing

/// The client against a server on a real socket that answers as it should, if not always soon or in order.
@Suite(.timeLimit(.minutes(1)))
struct ClientTests {
    @Test
    func `64 calls in flight are answered in reverse, each with its own answer`() async throws {
        let held = Mutex<[Frame]>([])
        let server = try await FakeServer.start { frame, connection in
            let all = held.withLock { held in
                held.append(frame)
                return held.count == 64 ? held : []
            }
            for frame in all.reversed() { connection.answer(frame, echo(frame)) }
        }
        let client = SluiceClient(configuration(server))
        let right = await withTaskGroup(of: Bool.self) { group in
            for number in 1...64 {
                group.addTask { (try? await client.check(request(number)))?.generation == UInt64(number) }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(right == 64)
        #expect(Set(server.received.map(\.frame.header.stream)).count == 64)
        #expect(server.connections == 1)
        await client.shutdown()
        try await server.stop()
    }

    @Test(arguments: [16, 1_024] as [UInt32])
    func `Calls sent from one thread arrive in their order`(limit: UInt32) async throws {
        let server = try await FakeServer.start(hello: narrowHello(maxInFlight: limit)) { $1.answer($0, echo($0)) }
        let client = SluiceClient(configuration(server))
        let answered = Mutex(0)
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            for number in 1...1_000 {
                client.send(request(number), deadline: .seconds(10)) { result in
                    #expect((try? result.get())?.generation == UInt64(number))
                    if answered.withLock({
                        $0 += 1; return $0
                    }) == 1_000 {
                        done.resume()
                    }
                }
            }
        }
        let order = try server.received.map { try WireCheckRequest(payload: $0.frame.payload).cost }
        #expect(order == Array(1...1_000))
        await client.shutdown()
        try await server.stop()
    }

    @Test
    func `The server's limit makes calls wait, the client's own refuses them`() async throws {
        let gate = Gate()
        let server = try await FakeServer.start(hello: narrowHello(maxInFlight: 4)) { gate.answer($0, $1) }
        var narrow = configuration(server)
        narrow.maxInFlight = 20
        let client = SluiceClient(narrow)
        let outcomes = Mutex<[SluiceClientError?]>([])
        for number in 1...30 {
            client.send(request(number)) { result in
                outcomes.withLock { $0.append(result.failure) }
            }
        }
        // Ten are refused at once; of the others four reach the server, which holds them.
        while outcomes.withLock({ $0.count }) < 10 || server.received.count < 4 {
            try await Task.sleep(for: .milliseconds(1))
        }
        try await Task.sleep(for: .milliseconds(20))
        #expect(outcomes.withLock { $0 } == Array(repeating: .tooManyInFlight(limit: 20), count: 10))
        #expect(server.received.count == 4)

        gate.open()
        while outcomes.withLock({ $0.count }) < 30 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(outcomes.withLock { $0.count { $0 == nil } } == 20)
        await client.shutdown()
        try await server.stop()
    }

    @Test
    func `The server is told what remains of the deadline, less the margin`() async throws {
        let server = try await FakeServer.start { $1.answer($0) }
        var exact = configuration(server)
        exact.answerMargin = .milliseconds(100)
        let client = SluiceClient(exact)
        _ = try await client.ping()
        _ = try await client.check(request(1), deadline: .seconds(1))
        _ = try await client.check(request(1), deadline: .seconds(100_000))
        let micros = server.received.filter { $0.frame.header.kind == .request }.map(\.frame.header.micros)
        #expect((800_000...900_000).contains(micros[0]))
        #expect(micros[1] == .max)
        await client.shutdown()
        try await server.stop()
    }

    @Test
    func `A status other than ok carries the server's message`() async throws {
        let server = try await FakeServer.start { frame, connection in
            connection.answer(frame, WireError.with { $0.message = "no such action" }, status: .invalidArgument)
        }
        let client = SluiceClient(configuration(server))
        await #expect(throws: SluiceClientError.status(.invalidArgument, message: "no such action")) {
            try await client.check(request(1))
        }
        await client.shutdown()
        try await server.stop()
    }

    @Test
    func `A batch has as many responses as requests, or is malformed`() async throws {
        let server = try await FakeServer.start { frame, connection in
            let batch = try! WireCheckBatchRequest(payload: frame.payload)
            let responses = batch.requests.prefix(3).map { request in
                WireCheckResponse.with { $0.generation = UInt64(request.cost) }
            }
            connection.answer(frame, WireCheckBatchResponse.with { $0.responses = responses })
        }
        let client = SluiceClient(configuration(server))
        #expect(try await client.checkBatch([request(1), request(2), request(3)]).map(\.generation) == [1, 2, 3])
        await #expect(throws: SluiceClientError.malformedAnswer(why: "3 responses to 4 requests")) {
            try await client.checkBatch((1...4).map(request))
        }
        await client.shutdown()
        try await server.stop()
    }

    @Test
    func `A ping is timed, and a server's ping is answered`() async throws {
        let server = try await FakeServer.start(answersPings: false) { frame, connection in
            guard frame.header.kind == .ping else { return }
            connection.send(FrameCorpus.ping)
            connection.after(.milliseconds(20)) { connection.pong(frame) }
        }
        let client = SluiceClient(configuration(server))
        #expect(try await client.ping() >= .milliseconds(20))
        #expect(await client.hello == FrameCorpus.helloMessage)
        let pongs = server.received.filter { $0.frame.header.kind == .pong }
        #expect(pongs.map { $0.frame.payload.getInteger(at: $0.frame.payload.readerIndex) } == [42 as UInt64])
        await client.shutdown()
        try await server.stop()
    }

    @Test
    func `Shutdown waits for what is in flight and refuses what is new`() async throws {
        let server = try await FakeServer.start { frame, connection in
            connection.after(.milliseconds(50)) { connection.answer(frame, echo(frame)) }
        }
        let client = SluiceClient(configuration(server))
        _ = try await client.check(request(1))
        async let last = client.check(request(7))
        while server.received.count < 2 { try await Task.sleep(for: .milliseconds(1)) }
        await client.shutdown()
        #expect(try await last.generation == 7)
        await #expect(throws: SluiceClientError.shutDown) { try await client.check(request(1)) }
        await client.shutdown()
        try await server.stop()
    }

    @Test
    func `A request too long for the server is not sent`() async throws {
        let server = try await FakeServer.start { $1.answer($0) }
        let client = SluiceClient(configuration(server))
        let long = WireCheckRequest(action: String(repeating: "a", count: 70_000), entities: [])
        await #expect(throws: SluiceClientError.payloadTooLong(bytes: 70_004, limit: 65_536)) {
            try await client.check(long)
        }
        _ = try await client.check(request(1))
        #expect(server.received.count == 1)
        await client.shutdown()
        try await server.stop()
    }
}
