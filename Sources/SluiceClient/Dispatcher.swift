import DequeModule
import NIOCore
import NIOPosix
import SluiceWire

/// Keeps one connection up and hands it the calls in the order they were made. Used on its event loop only.
final class Dispatcher {
    /// The connection new calls go to.
    private enum Link {
        /// An attempt is under way, up to the server's HELLO.
        case connecting
        /// The last attempt failed, or the last connection broke; the task starts the next attempt.
        case backingOff(Scheduled<Void>)
        case ready(Connection)
        /// The client was shut down. Final.
        case closed
    }

    private let configuration: SluiceClient.Configuration
    private let endpoints: [Endpoint]
    /// Of the endpoints, the one to connect to.
    private var target = 0
    private let eventLoop: any EventLoop
    private let timer: DeadlineTimer
    private var link = Link.connecting
    /// Connections that went away, until the last answer they owe.
    private var draining: [Connection] = []
    /// Calls not yet sent: there is no connection, or the server's limit is reached.
    private var unsent: Deque<Call> = []
    private var failures = 0
    private var lastFailure = "still connecting"
    /// Set by a shutdown: no new calls, and whom to tell when the last one is done.
    private var shutdownCompletions: [@Sendable () -> Void]?

    init(configuration: SluiceClient.Configuration, eventLoop: any EventLoop) {
        self.configuration = configuration
        self.endpoints = configuration.endpoints
        self.eventLoop = eventLoop
        self.timer = DeadlineTimer(eventLoop: eventLoop)
    }

    func start() {
        timer.fire = { [weak self] in self?.expireUnsent() }
        connect()
    }

    // MARK: Letters

    func receive(_ letters: [Letter]) {
        let now = NIODeadline.now()
        for letter in letters {
            switch letter {
            case .call(let call): accept(call, now: now)
            case .cancel(let cancellation): cancel(cancellation)
            case .hello(let completion): completion(current?.hello)
            case .shutdown(let completion): shutDown(completion)
            }
        }
        settle()
        current?.flush()
    }

    private var current: Connection? {
        switch link {
        case .ready(let connection): connection
        case .connecting, .backingOff, .closed: nil
        }
    }

    private func accept(_ call: Call, now: NIODeadline) {
        if shutdownCompletions != nil { return call.fail(.shutDown) }
        if call.cancellation?.isCancelled == true { return call.fail(.cancelled) }
        guard outstanding < configuration.maxInFlight else {
            return call.fail(.tooManyInFlight(limit: configuration.maxInFlight))
        }
        if unsent.isEmpty, let current, current.send(call, now: now) { return }
        unsent.append(call)
        timer.arm(for: call.deadline)
    }

    private var outstanding: Int {
        draining.reduce(unsent.count + (current?.waiting ?? 0)) { $0 + $1.waiting }
    }

    private func cancel(_ cancellation: Cancellation) {
        if let index = unsent.firstIndex(where: { $0.cancellation === cancellation }) {
            unsent.remove(at: index).fail(.cancelled)
            return
        }
        current?.cancel(cancellation)
        draining.forEach { $0.cancel(cancellation) }
    }

    private func shutDown(_ completion: @escaping @Sendable () -> Void) {
        switch link {
        case .closed: completion()
        case .connecting, .backingOff, .ready: shutdownCompletions = (shutdownCompletions ?? []) + [completion]
        }
    }

    // MARK: Progress

    /// Sends what has been waiting for room, and ends what has nothing left to do.
    func settle() {
        if let current, !unsent.isEmpty {
            let now = NIODeadline.now()
            while let call = unsent.first, current.send(call, now: now) {
                unsent.removeFirst()
            }
            current.flush()
        }
        for connection in draining where connection.isDrained {
            connection.close(.connectionLost(why: "the server went away"))
        }
        if shutdownCompletions != nil, outstanding == 0 { finish() }
    }

    private func finish() {
        // Emptied first, for closing may come back here; not nil, for calls from here on must find the client shut down.
        let completions = exchange(&shutdownCompletions, with: []) ?? []
        let last = current
        if case .backingOff(let task) = link { task.cancel() }
        link = .closed
        timer.cancel()
        last?.close(.shutDown)
        completions.forEach { $0() }
    }

    private func expireUnsent() {
        let now = NIODeadline.now()
        let expired = unsent.filter { $0.deadline <= now }
        unsent.removeAll { $0.deadline <= now }
        for call in expired {
            if let limit = current?.hello?.maxInFlight {
                call.fail(.tooManyInFlight(limit: Int(limit)))
            } else {
                call.fail(.unreachable(endpoints[target], why: lastFailure))
            }
        }
        if let next = unsent.lazy.map(\.deadline).min() { timer.arm(for: next) }
        settle()
    }

    // MARK: Connections

    private func connect() {
        link = .connecting
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        let configuration = configuration
        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(TimeAmount(configuration.connectTimeout.bounded))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let connection = Connection(
                        configuration: configuration,
                        dispatcher: bound.value,
                        eventLoop: channel.eventLoop
                    )
                    try channel.pipeline.syncOperations.addHandler(connection)
                }
            }
        bootstrap.connect(to: endpoints[target]).assumeIsolated().whenFailure { error in
            self.connectionFailed(connectFailure(error))
        }
    }

    /// HELLO came.
    func connectionReady(_ connection: Connection) {
        switch link {
        case .connecting:
            break
        case .backingOff(let task):
            task.cancel()
        case .ready, .closed:
            connection.close(.shutDown)
            return
        }
        link = .ready(connection)
    }

    /// GOAWAY came: the connection is kept for what it owes, and another one is opened at once if this one was good.
    func connectionDraining(_ connection: Connection) {
        guard connection === current else { return }
        draining.append(connection)
        if connection.isGood {
            failures = 0
            target = (target + 1) % endpoints.count
            connect()
        } else {
            connectionFailed("the server goes away")
        }
    }

    /// The connection was good, or about to be, and is not any more.
    func connectionClosed(_ connection: Connection, error: SluiceClientError) {
        if let index = draining.firstIndex(where: { $0 === connection }) {
            draining.remove(at: index)
            return
        }
        switch link {
        case .ready(let current) where current === connection:
            if connection.isGood { failures = 0 }
            connectionFailed("\(error)")
        case .connecting:
            connectionFailed("\(error)")
        case .ready, .backingOff, .closed:
            break
        }
    }

    private func connectionFailed(_ why: String) {
        switch link {
        case .closed, .backingOff: return
        case .connecting, .ready: break
        }
        lastFailure = why
        target = (target + 1) % endpoints.count
        let round = failures / endpoints.count
        failures += 1
        let isRoundOver = failures.isMultiple(of: endpoints.count)
        let delay =
            isRoundOver ? configuration.backoff.delay(afterFailures: round, random: .random(in: 0..<1)) : .zero
        let isolated = eventLoop.assumeIsolated()
        link = .backingOff(isolated.scheduleTask(in: TimeAmount(delay.bounded)) { self.connect() })
    }

    /// Puts a call that a server refused because it goes away before all that were never sent, behind those that were
    /// refused before it: order stays order.
    func repeatCall(_ call: Call) {
        var call = call
        call.isRepeated = true
        unsent.insert(call, at: unsent.firstIndex { !$0.isRepeated } ?? unsent.endIndex)
        timer.arm(for: call.deadline)
    }
}
