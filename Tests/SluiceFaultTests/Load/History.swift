import SluiceWire

/// What a load asked, in its order, and what it was told.
struct History: Sendable {
    /// A machine of two cores runs the service, its Redis and the tests: an answer may be this late for that.
    static let slackMs = 500.0

    var calls: [LoadCall]

    func of(_ action: String) -> History { History(calls: calls.filter { $0.action == action }) }
    func of(entity: String) -> History { History(calls: calls.filter { $0.entity == entity }) }
    /// Calls made from one moment to another.
    func between(_ startMs: Double, _ endMs: Double) -> History {
        History(calls: calls.filter { $0.sentMs >= startMs && $0.sentMs < endMs })
    }

    var entities: Set<String> { Set(calls.map(\.entity)) }
    var answered: History { History(calls: calls.filter { $0.outcome != .waiting && $0.outcome != .lost }) }
    var byRedis: History { History(calls: calls.filter(\.isByRedis)) }
    var fallbacks: History { History(calls: calls.filter(\.isFallback)) }
    var admitted: History { History(calls: calls.filter(\.isAdmitted)) }
    var refused: History {
        History(
            calls: calls.filter {
                if case .refused = $0.outcome { return true }
                return false
            })
    }
    var count: Int { calls.count }

    /// The slowest answer, in ms past its deadline; negative: within it.
    var worstLatenessMs: Double { calls.map { ($0.tookMs ?? .infinity) - $0.deadlineMs }.max() ?? 0 }

    func percentileMs(_ share: Double) -> Double {
        let sorted = calls.compactMap(\.tookMs).sorted()
        return sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int(share * Double(sorted.count)))]
    }

    /// The most that Redis admitted of one entity.
    func most(of action: String) -> (entity: String, admitted: Int) {
        let counts = Dictionary(grouping: of(action).admitted.calls, by: \.entity).mapValues(\.count)
        return counts.max { $0.value < $1.value }.map { ($0.key, $0.value) } ?? ("", 0)
    }

    /// How long after `healedMs` it took until Redis decided again and went on to: from there on `inARow` calls are all
    /// decided by it. Nil: it did not.
    func recoveryMs(after healedMs: Double, inARow: Int = 15) -> Double? {
        var first: Double?
        var row = 0
        for call in calls where (call.answeredMs ?? .infinity) >= healedMs {
            if call.isByRedis {
                if row == 0 { first = call.answeredMs }
                row += 1
                if row == inARow { return max(0, (first ?? healedMs) - healedMs) }
            } else {
                row = 0
            }
        }
        return nil
    }
}
