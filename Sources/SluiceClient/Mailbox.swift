import NIOCore
import SluiceWire
import Synchronization

/// What other threads ask of the event loop.
enum Letter: Sendable {
    case call(Call)
    case cancel(Cancellation)
    case hello(@Sendable (WireHello?) -> Void)
    case shutdown(@Sendable () -> Void)
}

/// Carries letters to the event loop in the order they were posted. However many are posted before the loop gets to
/// them, it is woken once and sees them together, so that a burst of calls leaves in one write.
final class Mailbox: Sendable {
    private struct State {
        var letters: [Letter] = []
        var isWaking = false
    }

    private let state = Mutex(State())
    private let eventLoop: any EventLoop
    private let dispatcher: NIOLoopBoundBox<Dispatcher?>

    init(configuration: SluiceClient.Configuration, eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        let dispatcher = NIOLoopBoundBox.makeEmptyBox(valueType: Dispatcher.self, eventLoop: eventLoop)
        self.dispatcher = dispatcher
        eventLoop.execute {
            let made = Dispatcher(configuration: configuration, eventLoop: eventLoop)
            dispatcher.value = made
            made.start()
        }
    }

    func post(_ letter: Letter) {
        let mustWake = state.withLock { state in
            state.letters.append(letter)
            defer { state.isWaking = true }
            return !state.isWaking
        }
        if mustWake { eventLoop.execute { self.deliver() } }
    }

    private func deliver() {
        let letters = state.withLock { state in
            state.isWaking = false
            return exchange(&state.letters, with: [])
        }
        dispatcher.value?.receive(letters)
    }
}
