import LuaScripts
import SluiceModel

/// What `lua/listings.lua` is told and what it answers.
enum ListingScript {
    /// Changes that one poll is told of at most: little enough for a lane that has decisions to carry.
    static let pageSize = 250

    enum Change: Sendable {
        case set(ListingField, kind: ListKind, forMs: UInt64, by: String, reason: String)
        case remove([ListingField])
    }

    struct Outcome: Sendable {
        enum Effect: Int64, Sendable {
            case full = -1
            case none = 0
            case changed = 1
        }

        var effect: Effect
        /// Unix ms; 0: for good, or gone.
        var untilMs: UInt64
    }

    static func command(_ change: Change, keyPrefix: String) -> [[UInt8]] {
        switch change {
        case .set(let field, let kind, let forMs, let by, let reason):
            command(
                keyPrefix,
                [
                    Array("set".utf8), field.bytes, Array("\(kind.rawValue)".utf8), Array("\(forMs)".utf8),
                    Array(by.utf8), Array(reason.utf8), Array("\(Caps.listings)".utf8),
                ])
        case .remove(let fields): command(keyPrefix, [Array("remove".utf8)] + fields.map(\.bytes))
        }
    }

    static func poll(since version: UInt64, keyPrefix: String) -> [[UInt8]] {
        command(keyPrefix, ["poll", "\(version)", "\(pageSize)"].map { Array($0.utf8) })
    }

    private static func command(_ keyPrefix: String, _ arguments: [[UInt8]]) -> [[UInt8]] {
        let keys = ["listed", "changes", "ends", "gone", "meta"].map { Array("\(keyPrefix)1:{listings}:\($0)".utf8) }
        return [Array("EVAL".utf8), LuaScripts.listings, Array("\(keys.count)".utf8)] + keys + arguments
    }

    static func outcome(of reply: Reply) -> Outcome? {
        guard reply.kind == .array, reply.count >= 4,
            let effect = Outcome.Effect(rawValue: reply.integer(at: 3))
        else { return nil }
        return Outcome(effect: effect, untilMs: reply.count > 4 ? UInt64(clamping: reply.integer(at: 4)) : 0)
    }
}

/// The changes behind one version, as many as fit, and the state they lead up to.
struct ListingPage: Sendable {
    struct Change: Sendable {
        var field: ListingField
        /// Nil: on no list any more.
        var listing: Listing?
    }

    /// Unix ms by the clock of Redis.
    var redisTimeMs: UInt64
    /// Of the last change there is.
    var version: UInt64
    /// Of the last change that was forgotten.
    var floor: UInt64
    /// Fields that are listed.
    var entries: Int
    /// Oldest first.
    var changes: [Change] = []
    /// Up to which all changes are here: that of the last of them, or what was asked for.
    var readTo: UInt64
    var isLast: Bool
}

extension ListingPage {
    /// - Parameter since: the version that was asked for.
    init?(_ reply: Reply, since: UInt64) {
        guard reply.kind == .array, reply.count >= 5, (reply.count - 5).isMultiple(of: 3) else { return nil }
        self.init(
            redisTimeMs: UInt64(clamping: reply.integer(at: 1)), version: UInt64(clamping: reply.integer(at: 2)),
            floor: UInt64(clamping: reply.integer(at: 3)), entries: Int(clamping: reply.integer(at: 4)), readTo: since,
            isLast: reply.count < 5 + 3 * ListingScript.pageSize)
        for index in stride(from: 5, to: reply.count, by: 3) {
            guard reply.kind(at: index) == .text, reply.kind(at: index + 2) == .text else { return nil }
            changes.append(
                Change(field: ListingField(reply.bytes(at: index)), listing: Listing(reply.bytes(at: index + 2))))
            readTo = UInt64(clamping: reply.integer(at: index + 1))
        }
    }
}
