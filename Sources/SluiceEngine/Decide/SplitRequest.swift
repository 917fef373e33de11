import NIOCore
import SluiceModel

/// A request of a cluster on its way to the nodes of its entities: each judges its part by itself and reserves what it
/// would count. When all have answered the worst verdict is the request's; where one refused, the others give back.
final class SplitRequest {
    /// What one node is asked.
    struct Part {
        enum State {
            case waiting
            case answered
            case failed(RedisFailure)
        }

        /// Which of the request's uses, ascending.
        var uses: [Int]
        var state = State.waiting
        /// Its key is declared: it goes by slot, not by node.
        var isDeclared = false
        // What the node answered.
        var verdict = Verdict.allow
        var trips: [AnswerTrip] = []
        var tightest: AnswerHeadroom?
        var isDuplicate = false
        var firstRetryAfterMs: UInt64?
        /// When the node counted it, in ms by the clock it is judged by.
        var countedAtMs: UInt64 = 0
    }

    let caller: Caller
    let received: NIODeadline
    let deadline: NIODeadline
    let rules: ActiveRules
    let request: KeptRequest
    let isEvent: Bool
    let fallback: FallbackRequest
    let effect: ListEffect?
    /// The rules it met, in order.
    let uses: [RuleUse]
    let sample: TopSketches.Pending?
    var parts: [Part] = []
    /// Parts without an answer.
    var missing = 0
    /// Once it has been answered.
    var verdict: Verdict?

    init(
        _ request: RequestView, uses: [RuleUse], effect: ListEffect?, caller: Caller, received: NIODeadline,
        deadline: NIODeadline, rules: ActiveRules, sample: TopSketches.Pending?
    ) {
        self.caller = caller
        self.received = received
        self.deadline = deadline
        self.rules = rules
        self.request = KeptRequest(request)
        isEvent = !request.eventID.isEmpty && request.mode != .peek
        fallback = FallbackRequest(request)
        self.effect = effect
        self.uses = uses
        self.sample = sample
    }

    var mode: Mode { fallback.mode }

    /// Whether its parts reserve: there are several, and one may refuse what another has counted.
    var reserves: Bool { mode == .check && parts.count > 1 }

    func uses(of part: Int) -> [RuleUse] { parts[part].uses.map { uses[$0] } }
}
