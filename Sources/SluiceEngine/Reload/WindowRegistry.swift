import LuaScripts
import NIOCore
import SluiceModel

/// What Redis remembers of the windows that rules have, and since when.
///
/// A counter follows its window, so a rule with another window starts with another counter; that one begins with the
/// pairs of the window before. Where the old window stays in force beside it, kept by an override, only what was counted
/// before the new one was born belongs to both, and every instance has to know when that was.
struct WindowRegistry: Sendable {
    /// How long a reload waits for Redis before it goes on without.
    static let patience = TimeAmount.milliseconds(200)

    let core: ServiceCore

    /// Records the windows of `rules` as those in force.
    ///
    /// - Returns: since when each is, by field, of those so young that something older may still count; nil if Redis does
    ///   not answer.
    func register(_ rules: ActiveRules) async -> [String: UInt64]? {
        // A replay has its own time, and a Redis of its own.
        guard core.settings.clock == .redis else { return [:] }
        let windows = rules.set.variants.flatMap(\.counters).reduce(into: [:]) { $0[$1.field] = $1.windowMs }
        let fields = windows.keys.sorted()
        let key = "\(core.settings.keyPrefix)1:windows"
        let command =
            [Array("EVAL".utf8), LuaScripts.windows, [UInt8(ascii: "1")], Array(key.utf8)]
            + fields.map { Array($0.utf8) }
        let count = fields.count + 1
        let asked = await core.ask(command, patience: Self.patience) { Self.times(in: $0, count: count) }
        guard case .success(let answer) = asked, let now = answer.content.first else { return nil }
        let times = answer.content
        return zip(fields, times.dropFirst()).reduce(into: [:]) { births, entry in
            let (field, birth) = entry
            if let windowMs = windows[field], now < birth + windowMs { births[field] = birth }
        }
    }

    private static func times(in reply: Reply, count: Int) -> [UInt64]? {
        guard reply.kind == .array, reply.count == count + 1 else { return nil }
        return (1...count).map { UInt64(clamping: reply.integer(at: $0)) }
    }
}
