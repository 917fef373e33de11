import Logging
import NIOCore
import SluiceModel
import SluiceWire

/// The connections of one event loop, and the way from their frames to the decider and back.
final class LoopServer {
    /// A CheckBatch on its way: its responses in order, as they come.
    private struct Group {
        var responses: [ByteBuffer]
        var missing: Int
        /// Of those that were refused, and why the last was.
        var refused = 0
        var refusal: (status: WireStatus, message: String)?
    }

    let loop: any EventLoop
    let decider: Decider
    let settings: ServiceSettings
    let decoder: CheckDecoder
    /// Answers the admin methods; set once, by the lane it belongs to.
    var admin: AdminMethods!

    @exclusivity(unchecked) private var connections: [ClientConnection?] = []
    private var freePlaces: [Int32] = []
    private var epoch: UInt32 = 0
    private var dirty: [ClientConnection] = []
    private var flushing: [ClientConnection] = []
    private var groups: [Group?] = []
    private var freeGroups: [Int32] = []
    private var isDraining = false
    private var drained: EventLoopPromise<Void>?
    /// Connections with calls in flight.
    @exclusivity(unchecked) var busy = 0
    var isSweepScheduled = false
    var sweepPlace = 0

    init(loop: any EventLoop, decider: Decider, settings: ServiceSettings) {
        self.loop = loop
        self.decider = decider
        self.settings = settings
        decoder = CheckDecoder(takesTime: settings.clock == .request)
        decider.sink = self
    }

    var maxPayload: UInt32 { settings.bounds.payloadBytes }
    var maxInFlight: Int { settings.bounds.inFlightPerConnection }
    var connectionCount: Int { connections.count - freePlaces.count }
    private var adminConnectionCount = 0
    /// In the table of connections, empty ones too.
    var places: Int { connections.count }
    func connection(at place: Int) -> ClientConnection? { connections[place] }
    var unreadBytes: Int { settings.bounds.unreadBytes }

    /// Requests that one connection may have in flight while so many wait that others would suffer: each its share.
    var share: Int {
        let fair = settings.bounds.fairAbove
        return decider.waiting > fair && busy > 1 ? fair / busy : .max
    }

    /// Until a new connection is told to go; nil: never. Spread, so that those opened together do not end together.
    func connectionLifetime() -> TimeAmount? {
        settings.timeouts.connectionAge.map {
            .nanoseconds(Int64(Double($0.nanoseconds) * Double.random(in: 0.9...1.1)))
        }
    }

    func connectionCount(of kind: ClientConnection.Kind) -> Int {
        switch kind {
        case .data: connectionCount - adminConnectionCount
        case .admin: adminConnectionCount
        }
    }

    // MARK: - Connections

    /// Gives a connection its place; false when the service is about to end.
    func add(_ connection: ClientConnection) -> Bool {
        guard !isDraining else {
            countRefused(.draining)
            return false
        }
        defer { scheduleSweep() }
        decider.updateMetrics { $0.connectionsAccepted += 1 }
        if connection.kind == .admin { adminConnectionCount += 1 }
        epoch &+= 1
        connection.epoch = epoch
        if let place = freePlaces.popLast() {
            connection.place = place
            connections[Int(place)] = connection
        } else {
            connection.place = Int32(connections.count)
            connections.append(connection)
        }
        return true
    }

    func remove(_ connection: ClientConnection) {
        guard connection.place >= 0 else { return }
        if connection.kind == .admin { adminConnectionCount -= 1 }
        if connection.inFlight > 0 { busy -= 1 }
        connections[Int(connection.place)] = nil
        freePlaces.append(connection.place)
        connection.place = -1
        finishDraining()
    }

    func greet(_ connection: ClientConnection) {
        var hello = WireHello()
        hello.version = 1
        hello.server = "sluiced"
        hello.generation = decider.rules.set.generation
        hello.maxPayload = maxPayload
        hello.maxInFlight = UInt32(maxInFlight)
        let payload: [UInt8] = (try? hello.serializedBytes()) ?? []
        connection.write(FrameHeader(kind: .hello), atMost: payload.count) { $0.write(payload) }
    }

    func markDirty(_ connection: ClientConnection) {
        dirty.append(connection)
        decider.scheduleTurn()
    }

    func countRefused(_ refusal: ConnectionRefusal) { decider.updateMetrics { $0.count(refusal) } }
    func countCut(_ lapse: ConnectionWatch.Lapse) { decider.updateMetrics { $0.count(lapse) } }
    func countShed() { decider.updateMetrics { $0.shed &+= 1 } }
    func countReceived(_ bytes: Int) { decider.updateMetrics { $0.receivedBytes &+= UInt64(bytes) } }
    func countSent(_ bytes: Int) { decider.updateMetrics { $0.sentBytes &+= UInt64(bytes) } }

    func countProtocolError(_ error: FrameError) {
        decider.updateMetrics { $0.countProtocolError(error.name) }
    }

    // MARK: - Requests

    /// - Parameter payload: good during the call.
    func take(
        _ header: FrameHeader, _ payload: UnsafeRawBufferPointer, from connection: ClientConnection,
        _ received: NIODeadline
    ) {
        let caller = Caller(connection: connection.place, epoch: connection.epoch, stream: header.stream)
        guard !header.method.isAdmin || connection.kind == .admin else {
            return connection.refuse(
                header.stream, header.method, .permissionDenied, "\(header.method.name) is served on the admin listener"
            )
        }
        do {
            switch header.method {
            case .check: try check(header, payload, caller, connection, received)
            case .checkBatch: try checkBatch(header, payload, caller, connection, received)
            case .undo: try undo(header, ByteBuffer(bytes: payload), caller, connection)
            case .inspect, .reset, .rules, .reload, .top, .stats, .setListing, .listings:
                try administer(header, ByteBuffer(bytes: payload), caller, connection)
            case .authenticate:
                connection.refuse(header.stream, header.method, .unimplemented, "not served by this version")
            default:
                connection.refuse(header.stream, header.method, .unimplemented, "unknown method")
            }
        } catch let error as InvalidRequest {
            decider.updateMetrics { $0.invalidRequests += 1 }
            connection.refuse(header.stream, header.method, .invalidArgument, error.message)
        } catch {
            connection.refuse(header.stream, header.method, .internal, "internal error")
        }
    }

    func deadline(_ header: FrameHeader, from received: NIODeadline) -> NIODeadline {
        guard let standard = settings.deadlines.standard else { return .distantFuture }
        guard header.micros > 0 else { return received + standard }
        return received + min(.microseconds(Int64(header.micros)), settings.deadlines.longest)
    }

    private func check(
        _ header: FrameHeader,
        _ bytes: UnsafeRawBufferPointer,
        _ caller: Caller,
        _ connection: ClientConnection,
        _ received: NIODeadline
    ) throws(InvalidRequest) {
        let deadline = deadline(header, from: received)
        let request = try decoder.decode(bytes, 0..<bytes.count)
        try decider.checkAge(request)
        connection.began()
        decider.submit(request, from: caller, received: received, deadline: deadline)
    }

    private func checkBatch(
        _ header: FrameHeader,
        _ bytes: UnsafeRawBufferPointer,
        _ caller: Caller,
        _ connection: ClientConnection,
        _ received: NIODeadline
    ) throws(InvalidRequest) {
        let deadline = deadline(header, from: received)
        let ranges = try decoder.requests(bytes)
        var requests: [RequestView] = []
        for (position, range) in ranges.enumerated() {
            do throws(InvalidRequest) {
                let request = try decoder.decode(bytes, range, depth: 2)
                try decider.checkAge(request)
                requests.append(request)
            } catch {
                throw InvalidRequest("request \(position): \(error.message)")
            }
        }
        guard !requests.isEmpty else {
            let header = FrameHeader(kind: .response, method: .checkBatch, stream: caller.stream)
            return connection.write(header, atMost: 0) { _ in }
        }
        guard decider.hasRoom(for: requests.count) else {
            decider.updateMetrics { $0.shed += UInt64(requests.count) }
            return connection.refuse(
                header.stream, .checkBatch, .resourceExhausted, "too many requests are waiting"
            )
        }
        connection.began(requests.count)
        let group = Group(
            responses: Array(repeating: ByteBuffer(), count: requests.count),
            missing: requests.count
        )
        let place = freeGroups.popLast() ?? Int32(groups.count)
        if Int(place) == groups.count { groups.append(group) } else { groups[Int(place)] = group }
        for (position, request) in requests.enumerated() {
            var caller = caller
            caller.group = place
            caller.position = Int32(position)
            decider.submit(request, from: caller, received: received, deadline: deadline)
        }
    }

    private func administer(
        _ header: FrameHeader,
        _ payload: ByteBuffer,
        _ caller: Caller,
        _ connection: ClientConnection
    ) throws {
        connection.began()
        do {
            try admin.take(header, payload, caller)
        } catch {
            connection.ended()
            throw error
        }
    }

    // MARK: - Draining

    /// Sends GOAWAY on every connection and completes when the last has its answers and is closed.
    func drain() -> EventLoopFuture<Void> {
        isDraining = true
        let promise = drained ?? loop.makePromise()
        drained = promise
        for connection in connections { connection?.goAway() }
        finishDraining()
        return promise.futureResult
    }

    /// Ends what is left, answered or not.
    func closeAll() {
        for connection in connections { connection?.close() }
    }

    private func finishDraining() {
        guard let drained, connectionCount == 0 else { return }
        drained.succeed()
    }
}

// MARK: - Answers

extension LoopServer: AnswerSink {
    private func connection(of caller: Caller) -> ClientConnection? {
        guard caller.connection >= 0, let connection = connections[Int(caller.connection)] else { return nil }
        return connection.epoch == caller.epoch ? connection : nil
    }

    func deliver(_ caller: Caller, micros: UInt32, atMost most: Int, _ payload: (inout ByteCursor) -> Void) {
        guard caller.group < 0 else { return deliverToGroup(caller, micros: micros, atMost: most, payload) }
        guard let connection = connection(of: caller) else { return }
        connection.ended()
        connection.write(
            FrameHeader(kind: .response, method: .check, stream: caller.stream, micros: micros), atMost: most, payload
        )
    }

    private func deliverToGroup(
        _ caller: Caller, micros: UInt32, atMost most: Int, _ payload: (inout ByteCursor) -> Void
    ) {
        let place = Int(caller.group)
        guard groups[place] != nil else { return }
        groups[place]!.responses[Int(caller.position)].write(atMost: most, payload)
        finishGroup(caller, micros: micros)
    }

    /// Answers a batch once each of its requests is answered or refused. Where some were refused and others counted,
    /// the status is one that says nothing of what was counted.
    private func finishGroup(_ caller: Caller, micros: UInt32) {
        let place = Int(caller.group)
        groups[place]!.missing -= 1
        guard groups[place]!.missing == 0, let group = groups[place] else { return }
        groups[place] = nil
        freeGroups.append(caller.group)
        guard let connection = connection(of: caller) else { return }
        connection.ended(group.responses.count)
        if let refusal = group.refusal {
            let status = group.refused == group.responses.count ? refusal.status : .internal
            return connection.refuse(caller.stream, .checkBatch, status, refusal.message)
        }
        connection.write(
            FrameHeader(kind: .response, method: .checkBatch, stream: caller.stream, micros: micros),
            atMost: group.responses.reduce(0) { $0 + 11 + $1.readableBytes }
        ) { message in
            for response in group.responses {
                message.writeHead(1, response.readableBytes)
                response.withUnsafeReadableBytes { message.write($0) }
            }
        }
    }

    func refuse(_ caller: Caller, _ status: WireStatus, _ message: String) {
        guard caller.group < 0 else {
            let place = Int(caller.group)
            guard groups[place] != nil else { return }
            groups[place]!.refused += 1
            groups[place]!.refusal = (status, message)
            return finishGroup(caller, micros: 0)
        }
        guard let connection = connection(of: caller) else { return }
        connection.ended()
        connection.refuse(caller.stream, .check, status, message)
    }

    /// Answers an admin request.
    func answer(_ caller: Caller, _ method: WireMethod, _ status: WireStatus, _ payload: [UInt8]) {
        guard let connection = connection(of: caller) else { return }
        connection.ended()
        connection.write(
            FrameHeader(kind: .response, method: method, status: status, stream: caller.stream), atMost: payload.count
        ) { $0.write(payload) }
    }

    func hasMoreThanItsShare(_ caller: Caller) -> Bool {
        guard let connection = connection(of: caller) else { return true }
        return connection.inFlight > settings.bounds.waitingPerLoop / max(1, connectionCount)
    }

    func endOfTurn() {
        // Flushing may mark a connection again: that is for the next turn.
        swap(&dirty, &flushing)
        for connection in flushing { connection.flush() }
        flushing.removeAll(keepingCapacity: true)
    }
}
