/// What became of a script run that Redis did not answer.
enum RunOutcome: Sendable, Equatable {
    /// Redis certainly did not run it.
    case notExecuted(RedisFailure)
    /// It may or may not have run; it is never sent again.
    case unknown(RedisFailure)
    /// Redis did not run it, and says who would, or why nobody does just now.
    case redirected(Redirect)
}
