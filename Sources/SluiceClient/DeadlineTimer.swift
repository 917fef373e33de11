import NIOCore

/// One timer for many deadlines, armed for the first of them and never disarmed for those that were met: firing once
/// for nothing is cheaper than cancelling for every answer. Used on its event loop only.
final class DeadlineTimer {
    private let eventLoop: NIOIsolatedEventLoop
    private var scheduled: (task: Scheduled<Void>, deadline: NIODeadline)?
    /// Called when the deadline it was armed for has come; arms the timer again for what is left.
    var fire: () -> Void = {}

    init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop.assumeIsolated()
    }

    /// Makes the timer fire no later than `deadline`. Costs nothing if it already does.
    func arm(for deadline: NIODeadline) {
        if let scheduled {
            guard deadline < scheduled.deadline else { return }
            scheduled.task.cancel()
        }
        let task = eventLoop.scheduleTask(deadline: deadline) { [weak self] in
            guard let self else { return }
            scheduled = nil
            fire()
        }
        scheduled = (task, deadline)
    }

    func cancel() {
        scheduled?.task.cancel()
        scheduled = nil
    }
}
