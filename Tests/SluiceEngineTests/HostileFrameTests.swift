import Foundation
import NIOCore
import SluiceClient
import SluiceWire
import Synchronization
import TestSupport
import Testing

/// A running service and clients that do not keep to the protocol, over TCP.
@Suite("Whatever a client sends, the service answers the others", .timeLimit(.minutes(2)))
struct HostileFrameTests {
    private static let limits = """
        version: 1
        rules:
          - { name: r, check: a, per: [user], limits: [ { max: 100000, window: 1m } ] }

        """

    private static let good = WireCheckRequest(action: "a", entities: [WireEntity("user", "good")])

    private static func answersOthers(_ endpoint: Endpoint) throws -> Bool {
        let connection = try RawConnection(endpoint)
        connection.send(Preface.bytes + Bytes.check(good, micros: 1_000_000))
        guard let frame = try connection.response() else { return false }
        return try frame.header.status == .ok && WireCheckResponse(payload: frame.payload).basis == .redis
    }

    @Test("Every byte of a conversation changed in turn: no crash, no hang")
    func mutations() async throws {
        let random = SeededGenerator.announced()
        let redis = try RedisServer()
        let service = try await ServiceProcess.start(limits: Self.limits, redis: "unix://\(redis.socket)")
        let endpoint = try service.endpoint("data")
        let conversation =
            Preface.bytes + Bytes.check(Self.good) + Bytes.batch([Self.good, Self.good], stream: 2) + Bytes.ping()
        // Every bit, and three other values, of every byte.
        var changes: [(offset: Int, byte: UInt8)] = []
        var generator = random
        for (offset, byte) in conversation.enumerated() {
            let flipped = (0..<8).map { byte ^ (1 << $0) }
            let others: [UInt8] = [0, 255, .random(in: 0...255, using: &generator)]
            for value in Set(flipped + others).subtracting([byte]).sorted() { changes.append((offset, value)) }
        }
        #expect(changes.count > 1_000)
        let next = Atomic(0)
        let work = changes
        let failures = Mutex<[String]>([])
        try await blocking {
            DispatchQueue.concurrentPerform(iterations: 4) { _ in
                while true {
                    let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
                    guard index < work.count else { return }
                    var bytes = conversation
                    bytes[work[index].offset] = work[index].byte
                    do {
                        let connection = try RawConnection(endpoint)
                        connection.send(bytes)
                        // Half of them go on talking, the others hang up: both must come to an end.
                        if index.isMultiple(of: 2) { connection.send(Bytes.ping()) }
                        connection.endSending()
                        _ = try connection.rest()
                    } catch {
                        failures.withLock { $0.append("byte \(work[index].offset) = \(work[index].byte): \(error)") }
                    }
                }
            }
        }
        #expect(failures.withLock { $0 } == [], "seed \(random.seed)")
        #expect(service.isRunning)
        #expect(try await blocking { try Self.answersOthers(endpoint) })
        let stats = try await service.stats()
        #expect(stats["sluice_connections{listener=\"data\"}"] == 0, "those that hung up are gone")
        #expect(stats["sluice_in_flight_requests"] == 0)
    }

    @Test("A malformed frame closes the connection and is counted by its kind")
    func malformedFrames() async throws {
        let redis = try RedisServer()
        let service = try await ServiceProcess.start(limits: Self.limits, redis: "unix://\(redis.socket)")
        let endpoint = try service.endpoint("data")
        func header(_ change: (inout [UInt8]) -> Void) -> [UInt8] {
            var bytes = Bytes.check(Self.good)
            change(&bytes)
            return Preface.bytes + bytes
        }
        let cases: [(kind: String, bytes: [UInt8])] = [
            ("bad_preface", Array("GET / HTTP/1.1\r\n\r\n".utf8)),
            ("bad_preface", Array("G".utf8)),
            ("bad_flags", header { $0[7] = 1 }),
            ("oversize", header { $0.replaceSubrange(0..<4, with: [0, 1, 0, 1]) }),
            ("oversize", header { $0.replaceSubrange(0..<4, with: [255, 255, 255, 255]) }),
            ("unknown_kind", header { $0[4] = 9 }),
            ("unexpected_kind", header { $0[4] = 2 }),
            ("bad_stream", header { $0.replaceSubrange(8..<12, with: [0, 0, 0, 0]) }),
            ("reserved_not_zero", header { $0[6] = 3 }),
            ("bad_length", Preface.bytes + Bytes.ping([1, 2, 3])),
        ]
        for (kind, bytes) in cases {
            let before = try await service.stats()["sluice_protocol_errors_total{kind=\"\(kind)\"}"] ?? 0
            // It is the server that closes, and it does so before the rest of the frame has come.
            let frames = try await blocking {
                let connection = try RawConnection(endpoint)
                connection.send(bytes)
                return try connection.rest()
            }
            let after = try await service.stats()["sluice_protocol_errors_total{kind=\"\(kind)\"}"] ?? 0
            #expect(after == before + 1, "\(kind)")
            let told = frames.filter { $0.header.kind == .response }
            // A stranger is told nothing; a client is told what was wrong with its frame, on stream 0.
            #expect(told.count == (kind == "bad_preface" ? 0 : 1), "\(kind)")
            #expect(told.allSatisfy { $0.header.stream == 0 && $0.header.status == .invalidArgument })
            #expect(told.allSatisfy { !$0.errorMessage.isEmpty })
            if kind == "oversize" { #expect(told.first?.errorMessage.contains("at most 65536 are taken") == true) }
        }
        #expect(try await blocking { try Self.answersOthers(endpoint) })
    }

    @Test("A request that is refused says why, and its connection lives")
    func refusedRequests() async throws {
        let redis = try RedisServer()
        let service = try await ServiceProcess.start(limits: Self.limits, redis: "unix://\(redis.socket)")
        func request(_ change: (inout WireCheckRequest) -> Void) -> [UInt8] {
            var request = Self.good
            change(&request)
            return Bytes.check(request)
        }
        let many = (0..<17).map { WireEntity("d\($0)", "v") }
        let cases: [(bytes: [UInt8], status: WireStatus, message: String)] = [
            (Bytes.request(.check, [0xFF]), .invalidArgument, "the payload is not a message of this method"),
            (
                Bytes.request(.checkBatch, [0x0A, 5, 1]), .invalidArgument,
                "the payload is not a message of this method"
            ),
            (request { $0.action = "" }, .invalidArgument, "the action must have 1 to 64 bytes"),
            (request { $0.entities = many }, .invalidArgument, "more than 16 entities"),
            (
                request { $0.atMs = 1 }, .invalidArgument,
                "at_ms is taken only by a service started with --clock request"
            ),
            (
                Bytes.batch(Array(repeating: Self.good, count: 257)), .invalidArgument,
                "more than 256 requests in a batch"
            ),
            (Bytes.request(.undo, []), .invalidArgument, "undo needs the event_id that it takes back"),
            (Bytes.request(.undo, [0xFF]), .invalidArgument, "the payload is not a message of this method"),
            (Bytes.request(.authenticate, []), .unimplemented, "not served by this version"),
            (Bytes.request(WireMethod(rawValue: 99), []), .unimplemented, "unknown method"),
            (Bytes.request(.none, []), .unimplemented, "unknown method"),
        ]
        let admin: [WireMethod] = [.inspect, .reset, .rules, .reload, .top, .setListing, .listings, .stats]
        let endpoint = try service.endpoint("data")
        let connection = try RawConnection(endpoint)
        connection.send(Preface.bytes)
        for (bytes, status, message) in cases {
            connection.send(bytes)
            let frame = try connection.response()
            #expect(frame?.header.status == status, "\(message)")
            #expect(frame?.header.stream == 1)
            #expect(frame?.header.method.rawValue == bytes[5])
            #expect(frame?.errorMessage == message)
        }
        for method in admin {
            connection.send(Bytes.request(method, []))
            let frame = try connection.response()
            #expect(frame?.header.status == .permissionDenied, "\(method.name)")
            #expect(frame?.errorMessage == "\(method.name) is served on the admin listener")
        }
        connection.send(Bytes.check(Self.good, micros: 1_000_000))
        #expect(try connection.response()?.header.status == .ok)
        let stats = try await service.stats()
        #expect(stats["sluice_protocol_errors_total{kind=\"bad_length\"}"] == nil)
        #expect(stats["sluice_requests_invalid_total"] == 8)
    }

    @Test("More in flight than the server takes is refused, and what is in flight is answered")
    func inFlight() async throws {
        let redis = try RedisServer()
        let service = try await ServiceProcess.start(
            limits: Self.limits, redis: "unix://\(redis.socket)",
            settings: "bounds: { in_flight_per_connection: 8 }\n")
        redis.freeze()
        let connection = try RawConnection(try service.endpoint("data"))
        connection.send(Preface.bytes + (1...20).flatMap { Bytes.check(Self.good, stream: $0, micros: 500_000) })
        var statuses: [UInt32: WireStatus] = [:]
        for _ in 0..<20 {
            guard let frame = try connection.response() else { break }
            statuses[frame.header.stream] = frame.header.status
            if frame.header.status == .resourceExhausted {
                #expect(frame.errorMessage == "too many requests in flight here")
            }
        }
        redis.resume()
        #expect((1...8).allSatisfy { statuses[$0] == .ok })
        #expect((9...20).allSatisfy { statuses[$0] == .resourceExhausted })
        connection.send(Bytes.check(Self.good, stream: 21, micros: 1_000_000))
        #expect(try connection.response()?.header.status == .ok)
    }

    @Test("A client that never reads is not read from for ever, and costs no memory for what it sends")
    func neverReads() async throws {
        let redis = try RedisServer()
        // A Unix socket's own buffers are small, and what they hold is decided before the service stops reading.
        let service = try await ServiceProcess.start(
            limits: Self.limits, redis: "unix://\(redis.socket)", ["--listen", "unix:\(redis.folder)/data.sock"])
        let endpoint = try service.endpoint("data")
        #expect(try await blocking { try Self.answersOthers(endpoint) })
        let before = service.residentBytes
        let pings = Array(repeating: Bytes.ping(), count: 2_000).flatMap { $0 }
        let checks = (1...500).flatMap { Bytes.check(Self.good, stream: $0) }
        let offered = try await blocking {
            var silent: [RawConnection] = []
            var taken = 0
            for chunk in [pings, checks] {
                let connection = try RawConnection(endpoint)
                connection.send(Preface.bytes)
                var offset = 0
                // Full, and still full a moment later.
                var refused = 0
                while refused < 100, taken < 40_000_000 {
                    let count = connection.sendWhatFits(Array(chunk[offset...]))
                    offset = (offset + count) % chunk.count
                    taken += count
                    refused = count == 0 ? refused + 1 : 0
                    if count == 0 { usleep(10_000) }
                }
                silent.append(connection)
            }
            #expect(try Self.answersOthers(endpoint))
            return taken
        }
        // What the sockets' own buffers hold, and no more.
        #expect(offered < 20_000_000)
        #expect(service.residentBytes - before < 32_000_000)
    }

    @Test("Going away: what was read is answered, what comes after GOAWAY is unavailable, and the service ends")
    func goAway() async throws {
        let redis = try RedisServer()
        let service = try await ServiceProcess.start(limits: Self.limits, redis: "unix://\(redis.socket)")
        let connection = try RawConnection(try service.endpoint("data"))
        let idle = try RawConnection(try service.endpoint("data"))
        idle.send(Preface.bytes)
        #expect(try idle.next()?.header.kind == .hello)
        redis.freeze()
        connection.send(Preface.bytes + (1...10).flatMap { Bytes.check(Self.good, stream: $0, micros: 600_000) })
        #expect(try connection.next()?.header.kind == .hello)
        connection.send(Bytes.ping())
        #expect(try connection.next()?.header.kind == .pong, "the ten have been read")
        service.signal(SIGTERM)
        #expect(try connection.next()?.header.kind == .goAway)
        connection.send(Bytes.check(Self.good, stream: 11))
        let late = try connection.response()
        #expect(late?.header.stream == 11)
        #expect(late?.header.status == .unavailable)
        redis.resume()
        let answered = try connection.rest()
        #expect(Set(answered.map(\.header.stream)) == Set(1...10))
        #expect(answered.allSatisfy { $0.header.status == .ok })
        #expect(try idle.rest().map(\.header.kind) == [.goAway])
        #expect(await service.exitStatus() == 0)
        #expect(try RedisConnection(socket: redis.socket).command("KEYS", "sluice1:{*").elements.count == 1)
    }
}
