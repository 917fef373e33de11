/// Who sends script runs over a link. Called on the link's event loop.
protocol RedisLinkUser: AnyObject {
    func linkBecameReady()
    /// Every run that was out has been failed before this.
    func linkWasLost()
    /// An attempt to connect has failed; another one follows after a while.
    func linkCouldNotConnect()
    /// `reply` is the script's, flattened; good during the call only.
    func runAnswered(_ run: Batch, _ reply: Reply)
    func runFailed(_ run: Batch, _ outcome: RunOutcome)
}

extension RedisLinkUser {
    func linkCouldNotConnect() {}
}
