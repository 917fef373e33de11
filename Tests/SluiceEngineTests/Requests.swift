import SluiceModel
import SluiceReference

extension ReferenceModel.Request {
    /// A request whose values are text.
    init(
        _ action: String,
        _ entities: KeyValuePairs<String, String> = [:],
        cost: UInt64 = 1,
        mode: Mode = .check,
        ageMs: UInt64 = 0
    ) {
        self.init(
            action: Array(action.utf8),
            entities: entities.map { ($0.key, Array($0.value.utf8)) },
            cost: cost,
            mode: mode,
            ageMs: ageMs
        )
    }
}

extension Rule {
    /// A rule of one limit per user.
    static func perUser(
        _ name: String = "r",
        check: String = "a",
        max: UInt64,
        windowMs: UInt64,
        verdict: Verdict = .deny,
        exactUpTo: UInt64 = 64,
        slices: Int = 60
    ) -> Rule {
        Rule(
            name: name,
            check: [Pattern(check)],
            per: ["user"],
            limits: [Limit(max: max, windowMs: windowMs, verdict: verdict, text: "\(max) per \(windowMs)ms")],
            exactUpTo: exactUpTo,
            slices: slices
        )
    }
}
