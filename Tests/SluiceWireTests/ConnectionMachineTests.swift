import NIOCore
import SluiceWire
import SwiftProtobuf
import Testing

@testable import SluiceClient

struct ConnectionMachineTests {
    private let soon = NIODeadline.uptimeNanoseconds(100)
    private let later = NIODeadline.uptimeNanoseconds(200)

    @Test
    func `Nothing is sent before HELLO`() {
        var machine = greeting()
        #expect(machine.register("a", method: .check, deadline: later) == nil)
        #expect(machine.receive(hello()).isReady)
        #expect(machine.register("a", method: .check, deadline: later) != nil)
        #expect(machine.maxPayload == 65_536)
    }

    @Test
    func `A server without HELLO in time, or of another version, is left`() {
        var machine = greeting()
        #expect(machine.expire(now: soon).next == NIODeadline.uptimeNanoseconds(1_000))
        #expect(machine.expire(now: .uptimeNanoseconds(1_000)).closes)
        machine = greeting()
        #expect(machine.receive(hello { $0.version = 2 }).closes)
        machine = greeting()
        #expect(machine.receive(frame(FrameHeader(kind: .response, method: .check, stream: 1))).closes)
    }

    @Test
    func `The smaller limit holds, the server's or the client's`() {
        var machine = greeting(streamLimit: 3)
        _ = machine.receive(hello { $0.maxInFlight = 2 })
        #expect((0..<5).count { machine.register("\($0)", method: .check, deadline: later) != nil } == 2)
        machine = greeting(streamLimit: 3)
        _ = machine.receive(hello())
        #expect((0..<5).count { machine.register("\($0)", method: .check, deadline: later) != nil } == 3)
    }

    @Test
    func `An answer goes to whoever asked, once`() {
        var machine = open()
        let first = machine.register("first", method: .check, deadline: later)!
        let second = machine.register("second", method: .check, deadline: later)!
        #expect(machine.receive(answer(second)).waiter == "second")
        #expect(machine.receive(answer(first)).waiter == "first")
        #expect(machine.receive(answer(first)).closes)
    }

    @Test
    func `A late answer is dropped`() {
        var machine = open()
        let stream = machine.register("late", method: .check, deadline: soon)!
        #expect(machine.expire(now: soon).expired == ["late"])
        #expect(machine.receive(answer(stream)).isNothing)
        #expect(machine.waiting == 0)
    }

    @Test
    func `A missed deadline is followed by a probe, and silence by the end`() {
        var machine = open()
        _ = machine.register("a", method: .check, deadline: soon)
        _ = machine.register("b", method: .check, deadline: later)
        let expiry = machine.expire(now: soon)
        #expect(expiry.probes)
        #expect(expiry.next == later)
        // The probe may take 1,000.
        let second = machine.expire(now: later)
        #expect(second.expired == ["b"])
        #expect(!second.probes && !second.closes)
        #expect(second.next == NIODeadline.uptimeNanoseconds(1_100))
        #expect(machine.expire(now: .uptimeNanoseconds(1_100)).closes)
    }

    @Test
    func `Anything received answers a probe`() {
        var machine = open()
        _ = machine.register("a", method: .check, deadline: soon)
        #expect(machine.expire(now: soon).probes)
        #expect(machine.receive(frame(FrameHeader(kind: .pong), [UInt8](repeating: 0, count: 8))).isNothing)
        let expiry = machine.expire(now: .uptimeNanoseconds(10_000))
        #expect(!expiry.closes && expiry.next == nil)
    }

    @Test
    func `A server that answers pings but nothing else is left when it holds every stream`() {
        var machine = open(streamLimit: 1)
        _ = machine.register("a", method: .check, deadline: soon)
        #expect(machine.expire(now: soon).closes)
    }

    @Test
    func `GOAWAY stops what is new and waits for what is in flight`() {
        var machine = open()
        let stream = machine.register("a", method: .check, deadline: later)!
        #expect(machine.receive(frame(FrameHeader(kind: .goAway))).isDrain)
        #expect(machine.register("b", method: .check, deadline: later) == nil)
        #expect(!machine.isDrained)
        #expect(machine.receive(answer(stream)).waiter == "a")
        #expect(machine.isDrained)
    }

    @Test
    func `A pong goes to the ping with its payload`() {
        var machine = open()
        let first = machine.registerPing("first", sent: soon, deadline: later)!
        let second = machine.registerPing("second", sent: soon, deadline: later)!
        #expect(machine.receive(pong(second)).waiter == "second")
        #expect(machine.receive(pong(first)).waiter == "first")
        #expect(machine.receive(pong(first)).isNothing)
    }

    @Test
    func `A response on stream 0 ends the connection with the server's words`() {
        var machine = open()
        let refusal = WireError.with { $0.message = "too long" }
        let payload: [UInt8] = try! refusal.serializedBytes()
        let action = machine.receive(frame(FrameHeader(kind: .response, status: .invalidArgument), payload))
        guard case .close(.connectionLost(why: "too long")) = action else {
            Issue.record("\(action)")
            return
        }
    }

    @Test
    func `Closing hands back everyone who waits, cancelled ones excepted`() {
        var machine = open()
        _ = machine.register("a", method: .check, deadline: later)
        _ = machine.register("b", method: .check, deadline: later)
        _ = machine.registerPing("c", sent: soon, deadline: later)
        #expect(machine.abandon { $0 == "b" } == ["b"])
        #expect(machine.close() == ["a", "c"])
        #expect(machine.close() == [])
        #expect(machine.receive(hello()).isNothing)
    }

    // MARK: Made up

    private typealias Machine = ConnectionMachine<String>

    private func greeting(streamLimit: Int = 10) -> Machine {
        Machine(
            streamLimit: streamLimit,
            greetingDeadline: .uptimeNanoseconds(1_000),
            probeTimeout: .nanoseconds(1_000)
        )
    }

    private func open(streamLimit: Int = 10) -> Machine {
        var machine = greeting(streamLimit: streamLimit)
        _ = machine.receive(hello())
        return machine
    }

    private func frame(_ header: FrameHeader, _ payload: [UInt8] = []) -> Frame {
        Frame(header: header, payload: ByteBuffer(bytes: payload))
    }

    private func hello(_ change: (inout WireHello) -> Void = { _ in }) -> Frame {
        var message = FrameCorpus.helloMessage
        change(&message)
        return frame(FrameHeader(kind: .hello), try! message.serializedBytes())
    }

    private func answer(_ stream: UInt32) -> Frame {
        frame(FrameHeader(kind: .response, method: .check, stream: stream))
    }

    private func pong(_ token: UInt64) -> Frame {
        Frame(header: FrameHeader(kind: .pong), payload: ByteBuffer(integer: token))
    }
}

extension ConnectionMachine.Action {
    fileprivate var waiter: Waiter? {
        switch self {
        case .answer(let waiter, _, _), .pong(let waiter, _): waiter
        case .ready, .reply, .drain, .nothing, .close: nil
        }
    }

    fileprivate var isReady: Bool { if case .ready = self { true } else { false } }
    fileprivate var isDrain: Bool { if case .drain = self { true } else { false } }
    fileprivate var isNothing: Bool { if case .nothing = self { true } else { false } }
    fileprivate var closes: Bool { if case .close = self { true } else { false } }
}

extension ConnectionMachine.Expiry {
    fileprivate var probes: Bool { if case .probe = consequence { true } else { false } }
    fileprivate var closes: Bool { if case .close = consequence { true } else { false } }
}
