import SluiceModel

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension ReplayReport {
    /// The report for people.
    func lines(for terminal: Terminal) -> [String] {
        var lines = [headline]
        if badLines > 0 {
            let lineCount = badLines == 1 ? "1 bad line" : "\(NumberWords.grouped(badLines)) bad lines"
            lines.append(terminal.coloured("\(lineCount) left out", .yellow))
        }
        if repeats > 0 {
            lines.append("\(NumberWords.grouped(repeats)) of them repeated an event_id, and counted nothing")
        }
        guard events > 0 else { return lines }
        lines += [""] + verdictTable.lines(for: terminal)
        lines += [""] + ruleTable.lines(for: terminal)
        if !labels.isEmpty {
            lines += [""] + labelTable.lines(for: terminal)
            lines += ["", unlabelledLine]
        }
        return lines
    }

    private var headline: String {
        let count = events == 1 ? "1 event" : "\(NumberWords.grouped(events)) events"
        guard let times else { return "played \(count)" }
        let kinds = Mode.allCases.filter { events($0) > 0 }.map { mode in
            "\(NumberWords.grouped(events(mode))) \(mode.name)\(events(mode) == 1 ? "" : "s")"
        }
        let span = "\(Self.words(timeMs: times.lowerBound)) to \(Self.words(timeMs: times.upperBound))"
        return "played \(count) from \(span): \(kinds.joined(separator: ", "))"
    }

    private var verdictTable: Table {
        var table = Table("VERDICT", " EVENTS", " SHARE")
        for verdict in Verdict.allCases {
            table.add(
                .init(verdict),
                .init(NumberWords.grouped(verdicts[verdict])),
                .init(NumberWords.share(verdicts[verdict], of: judged))
            )
        }
        return table
    }

    private var ruleTable: Table {
        var table = Table(
            "RULE", " JUDGED", " TRIPPED", " SHARE", " REVIEW", " CHALLENGE", " DENY", " ENTITIES TOUCHED", "NOTE"
        )
        for (rule, count) in zip(rules, perRule) {
            table.add(
                .init(rule.name),
                .init(NumberWords.grouped(count.judged)),
                .init(NumberWords.grouped(count.tripped)),
                .init(NumberWords.share(count.tripped, of: count.judged)),
                .init(NumberWords.grouped(count.worst[.review])),
                .init(NumberWords.grouped(count.worst[.challenge])),
                .init(NumberWords.grouped(count.worst[.deny])),
                .init(count.touched.words),
                rule.shadow ? "shadow" : ""
            )
        }
        return table
    }

    private var labelTable: Table {
        var table = Table("LABEL", " EVENTS", " ALLOW", " REVIEW", " CHALLENGE", " DENY", "CAUGHT MOSTLY BY")
        var kinds = labels.map { ($0.label.printable, $0.count) }
        if otherLabels.events > 0 { kinds.append(("(further labels)", otherLabels)) }
        kinds.append(("(no label)", unlabelled))
        for (label, kind) in kinds {
            let catcher = mainCatcher(of: kind).map { "\($0.rule) (\(NumberWords.grouped($0.events)))" }
            table.add(
                .init(label),
                .init(NumberWords.grouped(kind.events)),
                .init(NumberWords.grouped(kind.verdicts[.allow])),
                .init(NumberWords.grouped(kind.verdicts[.review])),
                .init(NumberWords.grouped(kind.verdicts[.challenge])),
                .init(NumberWords.grouped(kind.verdicts[.deny])),
                .init(catcher ?? "-")
            )
        }
        return table
    }

    private var unlabelledLine: String {
        let (touched, all) = (unlabelled.verdicts.touched, unlabelled.verdicts.total)
        let share = NumberWords.share(touched, of: all)
        return "without a label: \(NumberWords.grouped(touched)) of \(NumberWords.grouped(all)) not allowed (\(share))"
    }

    private static func words(timeMs: UInt64) -> String {
        Date(timeIntervalSince1970: Double(timeMs) / 1_000).ISO8601Format()
    }
}
