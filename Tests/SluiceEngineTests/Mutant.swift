import Foundation
import LuaScripts
import SluiceModel
import SluiceReference
import Testing

@testable import SluiceEngine

/// The scripts with one comparison, bound or guard changed, which a test must notice.
struct Mutant: Sendable, CustomTestStringConvertible {
    /// What notices it.
    enum Catcher: Sendable {
        /// Random traffic.
        case differential
        /// Every sequence of a small scope, where random traffic rarely comes by.
        case smallScope(SmallScope)
    }

    /// How many seeds are played, from 1 on, and how long each.
    static let rounds: UInt64 = 12
    static let operationsPerRound = 400

    struct Lost: Error, CustomStringConvertible {
        let description: String
    }

    /// What it does wrong.
    let name: String
    let part: LuaScripts.Part
    /// Occurs once in the part.
    let text: String
    let replacement: String
    let catcher: Catcher

    init(
        _ name: String, in part: LuaScripts.Part, _ text: String, becomes replacement: String,
        caughtBy catcher: Catcher = .differential
    ) {
        self.name = name
        self.part = part
        self.text = text
        self.replacement = replacement
        self.catcher = catcher
    }

    var testDescription: String { "\(part.rawValue): \(name)" }

    /// The source of each loaded script.
    ///
    /// - Throws: where the part has changed, and this with it.
    func scripts() throws -> [[UInt8]] {
        let pieces = String(decoding: part.source, as: UTF8.self).components(separatedBy: text)
        guard pieces.count == 2 else {
            throw Lost(
                description: "\(testDescription): \(pieces.count - 1) times in \(part.rawValue), not once: \(text)")
        }
        let changed = Array(pieces.joined(separator: replacement).utf8)
        let source = { $0 == part ? changed : $0.source } as (LuaScripts.Part) -> [UInt8]
        return [LuaScripts.decide(source), LuaScripts.undo(source)]
    }
}

extension SmallScope {
    /// A review limit that is passed: at most two pairs are kept.
    static let merging = passed(max: 1, costs: [1, 2], spans: [0, 1, 3, 5])
    /// A maximum of 0 that is passed: one pair is kept.
    static let filled = passed(max: 0, costs: [1], spans: [0, 1, 5])
    static let widths = passed(max: 2, costs: [1, 255, 256], spans: [0, 1, 55, 200], windowMs: 200)

    /// Two limits that are reached at once.
    static let limiting = SmallScope(
        rules: [.perUser("r", max: 2, windowMs: 4), .perUser("s", max: 2, windowMs: 4)],
        operations: .each([1, 2].map { .init("a", cost: $0) }, afterMs: [0, 1, 5]), depth: 4)
    /// Weights that outgrow a byte, under a limit that lets them.
    static let growing = SmallScope(
        rules: [.perUser(max: 1_000, windowMs: 4, exactUpTo: 1_024)],
        operations: .each([1, 255].map { .init("a", cost: $0) }, afterMs: [0, 1]), depth: 4)
    /// Ticks that outgrow a byte while an older pair still counts.
    static let moving = SmallScope(
        rules: [.perUser(max: 50, windowMs: 200)], operations: .each([.init("a")], afterMs: [100, 190]), depth: 7)
    /// Several pairs that expire at once, and others that do not.
    static let expiring = SmallScope(
        rules: [.perUser(max: 10, windowMs: 4)], operations: .each([.init("a")], afterMs: [1, 2, 3, 4]), depth: 5)
    /// What one action did guards another.
    static var guarding: SmallScope {
        var rule = Rule.perUser(max: 2, windowMs: 4)
        rule.count = [Pattern("b")]
        return SmallScope(rules: [rule], operations: .each([.init("a"), .init("b")], afterMs: [0, 1, 5]), depth: 5)
    }

    private static func passed(max: UInt64, costs: [UInt64], spans: [Int], windowMs: UInt64 = 4) -> SmallScope {
        SmallScope(
            rules: [.perUser(max: max, windowMs: windowMs, verdict: .review)],
            operations: .each(costs.map { .init("a", cost: $0) }, afterMs: spans), depth: 5)
    }

    static var values: SmallScope {
        var rule = Rule.perUser(max: 2, windowMs: 4)
        rule.measure = .distinct(dimension: "card")
        return SmallScope(
            rules: [rule], operations: .each(["x", "y", "z"].map { .init("a", ["card": $0]) }, afterMs: [0, 1, 4, 5]))
    }

    static var events: SmallScope {
        var event = ReferenceModel.Request("a", cost: 1)
        event.eventID = [UInt8(ascii: "1")]
        return SmallScope(
            rules: [.perUser(max: 3, windowMs: 4)],
            operations: .each([event, .init("a")], afterMs: [0, 3, 5]) + .undo(event, afterMs: [0, 3, 5])
                + .undo(event, cost: 2, afterMs: [0]),
            depth: 4, eventMemoryMs: 5)
    }
}
