import SluiceModel

/// The different values that one rule saw for one tuple in one window: the most recently seen, each with the last time.
/// Its ticks are milliseconds.
struct MemberSet: Hashable, Sendable {
    struct Member: Hashable, Sendable {
        let value: [UInt8]
        var seenMs: UInt64
        /// Whether it was seen again since it was added.
        var isRefreshed = false
    }

    let windowMs: UInt64
    /// Every value once, by the time it was last seen; those of one time in the order in which they came.
    private(set) var members: [Member] = []

    init(windowMs: UInt64) {
        self.windowMs = windowMs
    }

    /// The members of a set over another window.
    init(windowMs: UInt64, startingFrom other: MemberSet) {
        self.windowMs = windowMs
        members = other.members
    }

    var used: UInt64 { UInt64(members.count) }

    func contains(_ value: [UInt8]) -> Bool { members.contains { $0.value == value } }

    // MARK: Time

    /// As of a counter with ticks of 1 ms.
    func judgingTime(atMs now: UInt64) -> (timeMs: UInt64, isStep: Bool) {
        guard let last = members.last, last.seenMs > now else { return (now, false) }
        let isStep = last.seenMs - now > 1_000
        return isStep ? (now, true) : (last.seenMs, false)
    }

    /// Moves every member ahead of `now` to now.
    mutating func moveFutureBack(toMs now: UInt64) {
        for index in members.indices { members[index].seenMs = min(members[index].seenMs, now) }
    }

    /// Drops the members that no longer count at `timeMs`.
    mutating func dropExpired(atMs timeMs: UInt64) {
        members.removeAll { timeMs > $0.seenMs + windowMs }
    }

    /// Drops the members that were seen at `timeMs` or later.
    mutating func drop(fromMs timeMs: UInt64) {
        members.removeAll { $0.seenMs >= timeMs }
    }

    private func expiryMs(of member: Member) -> UInt64 { member.seenMs + windowMs + 1 }

    /// When a request with this value is within `max` if nothing else comes; nil if it is now. The value may leave the
    /// set before then, and would be a new one.
    ///
    /// - Parameters:
    ///   - max: not 0, which nothing is within.
    ///   - value: nil of a request that the set does not count, and that is judged as one more.
    func timeMs(whenWithin max: UInt64, with value: [UInt8]?) -> UInt64? {
        var left = self
        var timeMs: UInt64?
        while left.used + left.weight(of: value) > max {
            let next = left.expiryMs(of: left.members[0])
            left.dropExpired(atMs: next)
            timeMs = next
        }
        return timeMs
    }

    /// Until nothing is counted any more, from `now`, if nothing else comes; 0 if nothing is.
    func resetMs(from now: UInt64) -> UInt64 {
        members.last.map { expiryMs(of: $0) - now } ?? 0
    }

    // MARK: Counting

    func weight(of value: [UInt8]?) -> UInt64 {
        guard let value else { return 1 }
        return contains(value) ? 0 : 1
    }

    /// Whether what happened `ageMs` before `timeMs` still counts at `timeMs`.
    func reaches(ageMs: UInt64, before timeMs: UInt64) -> Bool { ageMs <= timeMs && ageMs <= windowMs }

    /// Adds a value that was seen at `timeMs`, of which at most `count` are kept; or refreshes it.
    mutating func see(_ value: [UInt8], atMs timeMs: UInt64, keepingAtMost count: UInt64) {
        if let index = members.firstIndex(where: { $0.value == value }) {
            members[index].isRefreshed = true
            guard timeMs >= members[index].seenMs else { return }
            var member = members.remove(at: index)
            member.seenMs = timeMs
            insert(member)
        } else {
            insert(Member(value: value, seenMs: timeMs))
            while used > count { members.removeFirst() }
        }
    }

    /// Behind all that were not seen later.
    private mutating func insert(_ member: Member) {
        let index = members.firstIndex { $0.seenMs > member.seenMs } ?? members.endIndex
        members.insert(member, at: index)
    }

    /// Removes a value that was added at `timeMs`, unless it has been seen again.
    mutating func takeBack(_ value: [UInt8], countedAtMs timeMs: UInt64) {
        members.removeAll { $0.value == value && $0.seenMs == timeMs && !$0.isRefreshed }
    }
}
