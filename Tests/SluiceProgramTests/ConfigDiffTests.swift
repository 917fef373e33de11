import Foundation
import Testing

@Suite("sluice config diff and sluice reload", .timeLimit(.minutes(1)))
struct ConfigDiffTests {
    private static func limits(_ max: Int, window: String = "1m", reload: String = "") -> String {
        """
        version: 1
        \(reload)
        rules:
          - { name: orders, check: checkout, per: [merchant], limits: [ { max: \(max), window: \(window) } ] }

        """
    }

    @Test("Differences are told in words with status 1, equality with status 0, a bad file with status 65")
    func words() throws {
        let folder = try TemporaryFolder()
        let a = try folder.file("a.yaml", Self.limits(6000))
        let b = try folder.file("b.yaml", Self.limits(4000))
        let bad = try folder.file("bad.yaml", Self.limits(1).replacing("max", with: "mx"))
        let different = try Program.sluice.run(["config", "diff", a, b])
        #expect(different.status == 1)
        #expect(different.output == "orders: 6000 → 4000 per 1m, acts at once\n")
        #expect(different.errors == "")
        let same = try Program.sluice.run(["config", "diff", a, a])
        #expect(same.status == 0)
        #expect(same.output == "no difference\n")
        let broken = try Program.sluice.run(["config", "diff", a, bad])
        #expect(broken.status == 65)
        #expect(broken.errors.contains("bad.yaml:4:"))
    }

    @Test("As JSON, with what a guardrail would refuse")
    func json() throws {
        let folder = try TemporaryFolder()
        let a = try folder.file("a.yaml", Self.limits(10, reload: "reload: { max_limit_change: 2x }"))
        let b = try folder.file("b.yaml", Self.limits(30, reload: "reload: { max_limit_change: 2x }"))
        let outcome = try Program.sluice.run(["config", "diff", a, b, "--json"])
        #expect(outcome.status == 1)
        let json = try outcome.json()
        #expect(json["changes"]?[0]?["kind"] == "max")
        #expect(json["changes"]?[0]?["rule"] == "orders")
        #expect(json["changes"]?[0]?["after"] == "30 per 1m")
        #expect(json["refused"]?[0]?.description.contains("max_limit_change 2x") == true)
    }

    @Test("reload tells what it did, refuses what a guardrail refuses, and is forced past it")
    func reload() throws {
        let rails = "reload: { max_limit_change: 2x }"
        let service = try RunningService(limits: Self.limits(10, reload: rails))
        try service.replaceLimits(Self.limits(15, reload: rails))
        let outcome = try service.sluice("reload")
        #expect(outcome.status == 0)
        #expect(outcome.outputLines.last == "orders: 10 → 15 per 1m, acts at once")
        try service.replaceLimits(Self.limits(90, reload: rails))
        let refused = try service.sluice("reload")
        #expect(refused.status == 65)
        #expect(refused.errors.contains("more than max_limit_change 2x allows"))
        let forced = try service.sluice("reload", "--force", "--json")
        #expect(forced.status == 0)
        #expect(try forced.json()["ok"] == true)
    }
}
