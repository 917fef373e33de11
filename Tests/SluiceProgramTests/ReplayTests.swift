import Foundation
import Testing

/// `sluice replay`, with its own service and Redis, on streams small enough to decide by hand.
@Suite(.serialized) struct ReplayTests {
    private let folder: TemporaryFolder
    private let limits: String

    init() throws {
        folder = try TemporaryFolder()
        limits = try folder.file(
            "limits.yaml",
            """
            version: 1
            rules:
              - name: logins
                check: login
                per: [user]
                limits:
                  - { max: 2, window: 10s, verdict: challenge }
                  - { max: 3, window: 1m }
              - name: trial
                check: login
                per: []
                limits: [ { max: 1, window: 1s } ]
                shadow: true

            """)
    }

    private func login(_ at: Int, _ user: String, _ more: String = "") -> String {
        #"{"at": \#(at), "action": "login", "entities": {"user": "\#(user)"}\#(more)}"#
    }

    private func trip(
        _ rule: String, _ windowMs: Int, max: Int, used: Int, _ verdict: String, retry: Int, shadow: Bool = false
    ) -> String {
        #"{"rule": "\#(rule)", "window_ms": \#(windowMs), "max": \#(max), "used": \#(used), "verdict": "\#(verdict)", "#
            + #""shadow": \#(shadow), "retry_after_ms": \#(retry)}"#
    }

    private func replay(_ lines: [String], _ more: String...) throws -> Program.Outcome {
        let events = lines.map { $0 + "\n" }.joined()
        return try Program.sluice.run(["replay", "--limits", limits, "--decisions", "-", "-"] + more, input: events)
    }

    @Test("Decisions are those computed by hand, in event time, a line for each event in order")
    func decisions() throws {
        let outcome = try replay([
            login(1_000_000, "a"),
            login(1_002_000, "a"),
            login(1_002_500, "b"),
            login(1_004_000, "a"),
            login(1_005_500, "a"),
            // The pair at 1,000,000 counts while t <= 1,010,000.
            login(1_010_001, "a"),
            login(1_065_000, "a", #", "mode": "peek""#),
        ])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let challenge4 = trip("logins", 10_000, max: 2, used: 2, "challenge", retry: 8_001)
        let challenge5 = trip("logins", 10_000, max: 2, used: 3, "challenge", retry: 6_501)
        let deny5 = trip("logins", 60_000, max: 3, used: 3, "deny", retry: 54_501)
        let challenge6 = trip("logins", 10_000, max: 2, used: 2, "challenge", retry: 2_000)
        let deny6 = trip("logins", 60_000, max: 3, used: 3, "deny", retry: 50_000)
        let shadow = trip("trial", 1_000, max: 1, used: 1, "deny", retry: 501, shadow: true)
        #expect(
            outcome.outputLines == [
                #"{"n": 0, "verdict": "allow", "retry_after_ms": null, "trips": []}"#,
                #"{"n": 1, "verdict": "allow", "retry_after_ms": null, "trips": []}"#,
                #"{"n": 2, "verdict": "allow", "retry_after_ms": null, "trips": [\#(shadow)]}"#,
                #"{"n": 3, "verdict": "challenge", "retry_after_ms": 8001, "trips": [\#(challenge4)]}"#,
                #"{"n": 4, "verdict": "deny", "retry_after_ms": 54501, "trips": [\#(challenge5), \#(deny5)]}"#,
                #"{"n": 5, "verdict": "deny", "retry_after_ms": 50000, "trips": [\#(challenge6), \#(deny6)]}"#,
                #"{"n": 6, "verdict": "allow", "retry_after_ms": null, "trips": []}"#,
            ])
    }

    @Test("The report counts per rule and per label; with the decisions on the output, it goes to the errors")
    func report() throws {
        let bot = #", "label": "bots""#
        let outcome = try replay(
            [
                login(1_000_000, "a", bot), login(1_002_000, "a", bot), login(1_004_000, "a", bot),
                login(1_005_500, "a", bot), login(1_008_000, "b"), login(1_008_500, "c"),
                #"{"at": 1010000, "action": "login", "mode": "record"}"#,
                #"{"at": 1010000, "action": "refund", "entities": {"user": "a"}}"#,
            ],
            "--json")
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.outputLines.count == 8)
        let report = try JSONValue(outcome.errors)
        #expect(report["events"] == 8)
        #expect(report["records"] == 1)
        #expect(report["first_at"] == 1_000_000)
        #expect(report["last_at"] == 1_010_000)
        #expect(report["verdicts"] == .object(["allow": 5, "review": 0, "challenge": 1, "deny": 1]))
        let logins = report["rules"]?[0]
        #expect(logins?["judged"] == 6)
        #expect(logins?["tripped"] == 2)
        #expect(logins?["challenge"] == 1)
        #expect(logins?["deny"] == 1)
        #expect(logins?["entities_touched"] == 1)
        #expect(report["rules"]?[1]?["judged"] == 6)
        #expect(report["rules"]?[1]?["tripped"] == 1)
        #expect(report["labels"]?[0]?["label"] == "bots")
        #expect(report["labels"]?[0]?["caught_mostly_by"] == "logins")
        #expect(report["labels"]?[0]?["caught_by_it"] == 2)
        #expect(report["unlabelled"]?["verdicts"]?["deny"] == 0)
    }

    @Test("A bad line gets its error and its number, the replay goes on, and the status is 65 at the end")
    func badLines() throws {
        let long = login(1, String(repeating: "x", count: 1 << 20))
        let outcome = try replay([login(1_000, "a"), "", "nonsense", "  \t", long, login(2_500, "a"), #"{"at": 1}"#])
        #expect(outcome.status == 65)
        let lines = outcome.outputLines
        #expect(lines.count == 5)
        #expect(lines[1].hasPrefix(#"{"n": 1, "error": "expected an object"#))
        #expect(lines[2] == #"{"n": 2, "error": "the line is longer than 1048576 bytes"}"#)
        #expect(lines[3].hasPrefix(#"{"n": 3, "verdict": "allow""#))
        #expect(lines[4] == #"{"n": 4, "error": "\"action\" is missing"}"#)
        #expect(outcome.errorLines.last?.hasPrefix("sluice: 3 bad lines; the first is n 1: ") == true)
    }

    @Test("Events may go back in time, and none at all are an empty report")
    func orderAndNothing() throws {
        let outcome = try replay([login(9_000_000, "a"), login(1_000_000, "a"), login(1_000_000, "a")])
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.outputLines.count == 3)
        let nothing = try replay([])
        #expect(nothing.status == 0)
        #expect(nothing.output.isEmpty)
        #expect(nothing.errors == "played 0 events\n")
    }

    @Test("A bad limits file, a missing events file and a missing redis-server each say so")
    func cannotStart() throws {
        let bad = try folder.file("bad.yaml", "version: 2\n")
        let badLimits = try Program.sluice.run(["replay", "--limits", bad, "-"])
        #expect(badLimits.status == 65)
        #expect(badLimits.errorLines.allSatisfy { $0.hasPrefix("\(bad):") })
        let noEvents = try Program.sluice.run(["replay", "--limits", limits, "/nonexistent/events"])
        #expect(noEvents.status == 65)
        #expect(noEvents.errors == "sluice: cannot open /nonexistent/events: No such file or directory\n")
        let noRedis = try Program.sluice.run(
            ["replay", "--limits", limits, "-"], environment: ["PATH": "/nonexistent"])
        #expect(noRedis.status == 69)
        #expect(noRedis.errors.contains("redis-server"))
    }
}

/// Recorded traffic, decided again by a model that shares no code and no method with the service.
@Suite(.serialized) struct IndependentModelTests {
    private static let shared = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../../shared").standardized

    @Test(
        "Every decision about real traffic is the independent model's",
        .enabled(
            if: FileManager.default.fileExists(atPath: shared.appendingPathComponent("tools/to-events").path),
            "there is no sample traffic beside this checkout"),
        arguments: ["auth", "access", "retail"])
    func traffic(kind: String) throws {
        let python = try python(needing: "yaml")
        let folder = try TemporaryFolder()
        let converter = Self.shared.appendingPathComponent("tools/to-events").path
        let events = try folder.file("events", try python.run([converter, kind]).output)
        let limits = Program.fixtures.appendingPathComponent("limits-\(kind).yaml").path
        let decisions = folder.url.appendingPathComponent("decisions").path

        let replay = try Program.sluice.run(["replay", "--limits", limits, "--decisions", decisions, events])
        #expect([0, 65].contains(replay.status), "\(replay.errors)")
        let ours = try String(contentsOfFile: decisions, encoding: .utf8).split(separator: "\n")
        let model = Program.fixtures.appendingPathComponent("independent_model.py").path
        let theirs = try python.run([model, limits, events])
        #expect(theirs.status == 0, "\(theirs.errors)")
        #expect(ours.count == theirs.outputLines.count)
        #expect(ours.count > 1_000)
        for (own, other) in zip(ours, theirs.outputLines) where own != other {
            // Equal, but for the words of an error.
            let (own, other) = (try JSONValue(own), try JSONValue(other))
            let isSameError = own["n"] == other["n"] && own["error"] != nil && other["error"] != nil
            guard own == other || isSameError else {
                Issue.record("\(kind): the service says \(own), the model \(other)")
                return
            }
        }
    }
}
