import Foundation
import SluiceModel

/// The rule set in force with all that is made from it, as one immutable snapshot.
final class ActiveRules: Sendable {
    /// Where the rules came from, as the admin listener tells it.
    struct Source: Sendable {
        var path: String
        var yaml: String
        var sha256: String
        /// Unix time.
        var loadedAtMs: UInt64
    }

    let file: LimitsFile
    let set: RuleSet
    /// What the file lists.
    let lists: ListTable
    let plan: ScriptPlan
    let keys: EntityKeyWriter
    let parts: AnswerParts
    let refusals: RefusalPlan
    let source: Source
    let keyPrefix: String
    /// Since when windows are in force, as `ScriptPlan` takes it.
    let births: [String: UInt64]

    init(
        _ file: LimitsFile, generation: UInt64, source: Source, keyPrefix: String, births: [String: UInt64] = [:]
    ) {
        set = RuleSet(rules: file.rules, generation: generation, normalizers: file.normalizers)
        self.file = file
        lists = ListTable(file)
        plan = ScriptPlan(set, births: births)
        self.births = births
        self.keyPrefix = keyPrefix
        keys = EntityKeyWriter(prefix: keyPrefix, rules: set)
        parts = AnswerParts(set)
        refusals = RefusalPlan(set)
        self.source = source
    }

    /// The same rules, of the same generation, with what is known of the age of their windows.
    func with(births: [String: UInt64]) -> ActiveRules {
        ActiveRules(
            file, generation: set.generation, source: source, keyPrefix: keyPrefix, births: births)
    }

    /// What was loaded from `path`; nil: no rules, everything is allowed.
    convenience init(_ loaded: LimitsPath.Loaded?, path: String, generation: UInt64, keyPrefix: String) {
        self.init(
            loaded?.file ?? LimitsFile(rules: []),
            generation: generation,
            source: Source(
                path: path,
                yaml: loaded?.yaml ?? "",
                sha256: loaded?.sha256 ?? "",
                loadedAtMs: UInt64(Date().timeIntervalSince1970 * 1000)
            ),
            keyPrefix: keyPrefix
        )
    }
}
