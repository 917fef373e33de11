import Foundation

/// The most that a decision may cost, by the names of `DecisionCosts`: a name and a number a line, `#` for comments.
struct CostThresholds: Sendable {
    /// Counts differ by this much from run to run, at most.
    private static let spare = 1.03

    private(set) var most: [String: Double] = [:]

    /// - Throws: a `Failure` that says what is wrong with the file.
    init(file: String) throws {
        guard let text = readSmallFile(file) else { throw Failure(.badData, "cannot read \(file.printable)") }
        try self.init(text: text, name: file)
    }

    init(text: String, name: String) throws {
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = line.prefix { $0 != "#" }.split(separator: " ")
            guard !words.isEmpty else { continue }
            guard words.count == 2, let number = Double(words[1]), number.isFinite, number > 0 else {
                throw Failure(.badData, "\(name.printable):\(index + 1): not a name and a number above 0")
            }
            guard most.updateValue(number, forKey: String(words[0])) == nil else {
                throw Failure(.badData, "\(name.printable):\(index + 1): \(String(words[0]).printable) comes twice")
            }
        }
    }

    /// What these costs need, with a little to spare.
    init(holding costs: DecisionCosts) {
        for cost in costs.all {
            let most = cost.perDecision * Self.spare
            // Allocations are few: hundredths matter.
            self.most[cost.name] = most > 100 ? most.rounded(.up) : (most * 100).rounded(.up) / 100
        }
    }

    var text: String {
        """
        # The most that one decision of the standard work may cost, 3 % above what was counted when this was written.
        # Held by `make bench-check`, written by `make bench-thresholds`; docs/performance.md says what is counted.

        """ + most.sorted { $0.key < $1.key }.map { "\($0.key) \(JSON.spell($0.value))\n" }.joined()
    }

    func write(to file: String) throws {
        do {
            try Data(text.utf8).write(to: URL(fileURLWithPath: file))
        } catch {
            throw Failure(.internalFailure, "cannot write \(file.printable)")
        }
    }
}

/// Costs beside what they may be.
struct CostReport: Report {
    var costs: DecisionCosts
    /// Nil: there is nothing to compare with.
    var thresholds: CostThresholds?

    /// A cost this far below its threshold could grow for long before anybody noticed.
    private static let slack = 0.9

    private enum Standing {
        case held
        case exceeded
        case slack
        /// The file does not name it.
        case unheld
    }

    private func standing(_ cost: DecisionCosts.Cost) -> Standing? {
        guard let thresholds else { return nil }
        guard let most = thresholds.most[cost.name] else { return .unheld }
        if cost.perDecision > most { return .exceeded }
        return cost.perDecision < most * Self.slack ? .slack : .held
    }

    var isHeld: Bool {
        !costs.all.contains { cost in
            switch standing(cost) {
            case .exceeded, .unheld: true
            case .held, .slack, nil: false
            }
        } && unknownNames.isEmpty
    }

    /// Of thresholds for what is not counted: a misspelt one would hold nothing.
    private var unknownNames: [String] {
        guard let thresholds else { return [] }
        return thresholds.most.keys.filter { name in !costs.all.contains { $0.name == name } }.sorted()
    }

    func lines(for terminal: Terminal) -> [String] {
        var table = Table("PER DECISION", " COUNTED", " AT MOST", "")
        for cost in costs.all {
            let most = thresholds?.most[cost.name]
            let outcome: Table.Cell =
                switch standing(cost) {
                case .held: .init("held", .green)
                case .exceeded:
                    .init(
                        "exceeded by \(NumberWords.fixed((cost.perDecision / (most ?? 1) - 1) * 100, digits: 1)) %",
                        .red)
                case .slack: .init("held, and far below: set it anew", .yellow)
                case .unheld: .init("has no threshold", .red)
                case nil: ""
                }
            table.add(
                .init(cost.name), .init(Self.spell(cost.perDecision)), .init(most.map(Self.spell) ?? ""), outcome)
        }
        var lines = table.lines(for: terminal)
        if let warning = BenchReport.buildWarning {
            lines.insert(terminal.coloured("warning: \(warning)", .yellow), at: 0)
        }
        lines += unknownNames.map { "\($0.printable) has a threshold, but nothing of that name is counted" }
        return lines
    }

    private static func spell(_ count: Double) -> String {
        count > 100 ? NumberWords.grouped(UInt64(count.rounded())) : NumberWords.fixed(count, digits: 2)
    }

    var json: JSON {
        [
            "build": BenchReport.buildWarning == nil ? "release" : "debug",
            "held": thresholds == nil ? .null : .bool(isHeld),
            "costs": .list(
                costs.all.map { cost in
                    [
                        "name": .text(cost.name), "per_decision": .number(cost.perDecision),
                        "at_most": thresholds?.most[cost.name].map { .number($0) } ?? .null,
                    ]
                }),
        ]
    }
}
