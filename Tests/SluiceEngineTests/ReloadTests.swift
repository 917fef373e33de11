import Foundation
import SluiceClient
import SluiceWire
import TestSupport
import Testing

@Suite("The limits file is edited while the service runs", .timeLimit(.minutes(2)))
struct ReloadTests {
    private static func limits(max: Int, guardrails: String = "") -> String {
        """
        version: 1
        \(guardrails)
        rules:
          - { name: orders, check: checkout, per: [merchant], limits: [ { max: \(max), window: 1h } ] }
          - { name: logins, check: login, per: [user], limits: [ { max: 10, window: 1h } ] }

        """
    }

    private static func write(_ text: String, to service: ServiceProcess) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(service.folder)/limits.yaml"), options: [])
    }

    private static func checkout(_ service: ServiceProcess) async throws -> WireCheckResponse {
        try await service.withClient {
            try await $0.check(WireCheckRequest(action: "checkout", entities: [WireEntity("merchant", "m1")]))
        }
    }

    private static func rules(_ service: ServiceProcess) async throws -> WireRulesResponse {
        try await service.withClient("admin") { try await $0.rules() }
    }

    /// Waits for `isThere`, at most ten seconds.
    private static func wait(_ what: Comment, _ isThere: () async throws -> Bool) async throws {
        for _ in 0..<200 {
            if try await isThere() { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        Issue.record(what)
    }

    @Test("An edit is noticed, acts on the next request and resets nothing")
    func watched() async throws {
        let service = try await ServiceProcess.start(limits: Self.limits(max: 2))
        for _ in 0..<2 { #expect(try await Self.checkout(service).verdict == .allow) }
        #expect(try await Self.checkout(service).verdict == .deny)
        try Self.write(Self.limits(max: 3), to: service)
        try await Self.wait("the edit was not noticed") { try await Self.rules(service).generation == 2 }
        let next = try await Self.checkout(service)
        #expect(next.verdict == .allow)
        #expect(next.generation == 2)
        #expect(next.tightest.remaining == 0)
        #expect(service.log.contains("orders: 2 → 3 per 1h, acts at once"))
    }

    @Test("A file rewritten with the same content is not taken up again")
    func sameContent() async throws {
        let service = try await ServiceProcess.start(limits: Self.limits(max: 2))
        try Self.write(Self.limits(max: 2), to: service)
        try await Task.sleep(for: .seconds(3))
        #expect(try await Self.rules(service).generation == 1)
    }

    @Test("A bad file leaves the rules, and says so until a good one comes")
    func badFile() async throws {
        let service = try await ServiceProcess.start(limits: Self.limits(max: 2), ["--http", "127.0.0.1:0"])
        let before = try await Self.rules(service)
        try Self.write(Self.limits(max: 2) + "  - { name: x, chekc: y }\n", to: service)
        try await Self.wait("the bad file was not noticed") { try await !Self.rules(service).lastError.isEmpty }
        let after = try await Self.rules(service)
        #expect(after.generation == 1)
        #expect(after.yaml == before.yaml)
        #expect(after.lastError.contains("unknown key \"chekc\"; did you mean \"check\"?"))
        #expect(service.log.contains("did you mean \"check\"?"))
        #expect(try await Self.checkout(service).generation == 1)
        try Self.write(Self.limits(max: 5), to: service)
        try await Self.wait("the good file was not noticed") { try await Self.rules(service).generation == 2 }
        #expect(try await Self.rules(service).lastError.isEmpty)
    }

    @Test("The links of a mounted ConfigMap are followed when they are swapped")
    func symlinkSwap() async throws {
        let mount = "/tmp/sluice-mount-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: mount) }
        let files = FileManager.default
        func put(_ version: String, _ text: String) throws {
            try files.createDirectory(atPath: "\(mount)/..\(version)", withIntermediateDirectories: true)
            try Data(text.utf8).write(to: URL(fileURLWithPath: "\(mount)/..\(version)/limits.yaml"))
            try files.createSymbolicLink(atPath: "\(mount)/..data_tmp", withDestinationPath: "..\(version)")
            #expect(rename("\(mount)/..data_tmp", "\(mount)/..data") == 0)
        }
        try put("2026_1", Self.limits(max: 2))
        try files.createSymbolicLink(atPath: "\(mount)/limits.yaml", withDestinationPath: "..data/limits.yaml")
        let service = try await ServiceProcess.start(limits: "", ["--limits", mount])
        #expect(try await Self.checkout(service).tightest.max == 2)
        try put("2026_2", Self.limits(max: 7))
        try files.removeItem(atPath: "\(mount)/..2026_1")
        try await Self.wait("the swap was not noticed") { try await Self.rules(service).generation == 2 }
        #expect(try await Self.checkout(service).tightest.max == 7)
    }

    @Test("The admin call answers when the rules are in force, and tells what changed")
    func adminCall() async throws {
        let service = try await ServiceProcess.start(
            limits: Self.limits(max: 2), settings: "reload: { watch: false }\n", ["--threads", "3"])
        try Self.write(Self.limits(max: 9), to: service)
        let outcome = try await service.withClient("admin") { try await $0.reload() }
        #expect(outcome.ok)
        #expect(outcome.generation == 2)
        #expect(outcome.changes == ["orders: 2 → 9 per 1h, acts at once"])
        for _ in 0..<6 { #expect(try await Self.checkout(service).generation == 2) }
        try Self.write("version: 1\nrules: []\nmore: 1\n", to: service)
        let bad = try await service.withClient("admin") { try await $0.reload() }
        #expect(!bad.ok)
        #expect(bad.generation == 2)
        #expect(bad.errors.count == 1)
    }

    @Test("A guardrail refuses a slip of the finger unless it is forced; SIGHUP forces nothing")
    func guardrails() async throws {
        let rails = "reload: { max_limit_change: 10x, max_rules_removed: 50% }"
        let service = try await ServiceProcess.start(
            limits: Self.limits(max: 2, guardrails: rails), settings: "reload: { watch: false }\n")
        try Self.write(Self.limits(max: 21, guardrails: rails), to: service)
        service.signal(SIGHUP)
        try await Self.wait("the signal was not heard") { try await !Self.rules(service).lastError.isEmpty }
        let refused = try await service.withClient("admin") { try await $0.reload() }
        #expect(!refused.ok)
        #expect(refused.generation == 1)
        #expect(refused.errors.count == 1)
        #expect(refused.errors.first?.contains("max_limit_change 10x") == true)
        #expect(refused.changes == ["orders: 2 → 21 per 1h, acts at once"])
        let forced = try await service.withClient("admin") {
            try await $0.reload(WireReloadRequest.with { $0.force = true })
        }
        #expect(forced.ok)
        #expect(forced.generation == 2)
        try Self.write("version: 1\nrules: []\n", to: service)
        let emptied = try await service.withClient("admin") { try await $0.reload() }
        #expect(!emptied.ok)
        #expect(emptied.errors.first?.contains("2 of 2 rules would be removed") == true)
    }

    @Test("A reset is logged with who and why, and without the value")
    func resetLogged() async throws {
        let service = try await ServiceProcess.start(limits: Self.limits(max: 2), ["--log-format", "json"])
        _ = try await Self.checkout(service)
        _ = try await service.withClient("admin") { client in
            var request = WireResetRequest()
            request.entities = [WireEntity("merchant", "m1")]
            request.by = "ann"
            request.reason = "case 7\nforged line"
            return try await client.reset(request)
        }
        let line = service.log.split(separator: "\n").first { $0.contains("counters reset") }.map(String.init) ?? ""
        #expect(line.contains(#""by":"ann""#))
        #expect(line.contains(#""reason":"case 7\nforged line""#))
        #expect(line.contains(#""dimensions":"merchant""#))
        #expect(!line.contains("m1"))
        for line in service.log.split(separator: "\n") {
            #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(line.utf8)) }
        }
    }
}
