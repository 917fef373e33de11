import Dispatch
import Glibc
import Synchronization

/// SIGINT and SIGTERM: the first asks the command to end what it has started, the second ends the program at once.
enum Interruption {
    private static let received = Atomic<Int32>(0)

    /// The first signal that came, or nil.
    static var signal: Int32? {
        let number = received.load(ordering: .relaxed)
        return number == 0 ? nil : number
    }

    /// - Returns: what must be kept for as long as signals are to be heard.
    static func cancelsOnSignal(_ work: Task<Void, any Error>) -> [any DispatchSourceSignal] {
        [SIGINT, SIGTERM].map { number in
            Glibc.signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                if signal != nil { exit(128 + number) }
                received.store(number, ordering: .relaxed)
                work.cancel()
            }
            source.activate()
            return source
        }
    }
}
