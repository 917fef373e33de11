import SluiceModel

/// Every status that `sluice` exits with. docs/cli.md lists them for scripts.
enum ExitStatus: Int32 {
    case success = 0
    /// `sluice config diff`: the files differ; `sluice reset`: somebody who was asked did not say yes.
    case differ = 1
    case review = 10
    case challenge = 11
    case deny = 12
    /// The command line itself is wrong.
    case usage = 64
    /// A file, an event line or a request that says what cannot be.
    case badData = 65
    /// No service answered, or it would not.
    case noServer = 69
    /// Something that ought to work did not.
    case internalFailure = 70

    /// What `sluice check` says to a script.
    init(_ verdict: Verdict) {
        switch verdict {
        case .allow: self = .success
        case .review: self = .review
        case .challenge: self = .challenge
        case .deny: self = .deny
        }
    }
}
