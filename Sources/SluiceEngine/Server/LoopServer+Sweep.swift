import NIOCore

/// Looking at every connection of a loop in turn: one timer for all of them, and none where there are none.
extension LoopServer {
    /// Connections in one turn of the loop.
    private static let atOnce = 512
    /// How often each connection is looked at, at least; more often where a timeout is shorter than four times this.
    private static let longestRound = TimeAmount.milliseconds(500)
    private static let shortestPause = TimeAmount.milliseconds(5)
    /// A loop that comes this late has not read what came meanwhile, and nobody is blamed for it.
    private static let lateness = TimeAmount.seconds(1)

    /// Until the next few connections: a round's share.
    private var pause: TimeAmount {
        let timeouts = settings.timeouts
        let all = [timeouts.firstFrame, timeouts.frame, timeouts.unread, timeouts.idle, timeouts.connectionAge]
        let shortest = all.compactMap(\.self).min() ?? Self.longestRound
        let round = min(Self.longestRound, .nanoseconds(shortest.nanoseconds / 4))
        let turns = max(1, (places + Self.atOnce - 1) / Self.atOnce)
        return max(Self.shortestPause, .nanoseconds(round.nanoseconds / Int64(turns)))
    }

    func scheduleSweep() {
        guard !isSweepScheduled, connectionCount > 0 else { return }
        isSweepScheduled = true
        let due = NIODeadline.now() + pause
        loop.assumeIsolated().scheduleTask(deadline: due) {
            self.isSweepScheduled = false
            let now = NIODeadline.now()
            if now - due < Self.lateness { self.look(at: now) }
            self.scheduleSweep()
        }
    }

    private func look(at now: NIODeadline) {
        for _ in 0..<min(places, Self.atOnce) {
            if sweepPlace >= places { sweepPlace = 0 }
            connection(at: sweepPlace)?.look(at: now)
            sweepPlace += 1
        }
    }
}
