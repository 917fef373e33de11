import Foundation
import SluiceWire
import TestSupport
import Testing

@Suite struct ReloadTests {
    private static func service(_ response: WireReloadResponse) throws -> FakeService {
        try FakeService { method, _ in
            method == .reload ? .init(response) : .refusal(.unimplemented, "not served by this version")
        }
    }

    @Test("A reload says what changed, and that nothing did")
    func changes() throws {
        var response = WireReloadResponse()
        (response.ok, response.generation) = (true, 4)
        response.changes = ["merchant-orders: 6000 → 4000 per 1m, acts at once", "new rule: \u{1B}logins"]
        let changed = try Self.service(response).sluice("reload")
        #expect(changed.status == 0)
        #expect(changed.errors.isEmpty)
        #expect(
            changed.outputLines == [
                "generation 4", "merchant-orders: 6000 → 4000 per 1m, acts at once", #"new rule: \u{1b}logins"#,
            ])
        response.changes = []
        let service = try Self.service(response)
        #expect(try service.sluice("reload").output == "nothing changed; generation 4\n")
        #expect(
            try service.sluice("reload", "--json").output
                == #"{"ok": true, "generation": 4, "errors": [], "changes": []}"# + "\n")
    }

    @Test("What is refused is bad data: its errors a line each on the standard error, and what stays in force")
    func refused() throws {
        var response = WireReloadResponse()
        response.generation = 3
        response.errors = ["limits.yaml:4:5: unknown key 'chekc'", "limits.yaml:9:1: \u{7}"]
        response.changes = ["logins: 5 → 500 per 10m, acts at once"]
        let service = try Self.service(response)
        let words = try service.sluice("reload")
        #expect(words.status == 65)
        #expect(words.output.isEmpty)
        #expect(
            words.errorLines == [
                "sluice: not reloaded; generation 3 stays in force", "limits.yaml:4:5: unknown key 'chekc'",
                #"limits.yaml:9:1: \u{7}"#, "it would change:", "  logins: 5 → 500 per 10m, acts at once",
            ])
        let json = try service.sluice("reload", "--json")
        #expect(json.status == 65)
        #expect(json.errors.isEmpty)
        #expect(try json.json().keys == ["changes", "errors", "generation", "ok"])
        #expect(try json.json()["errors"]?.count == 2)
    }

    @Test("Force is passed on only where it is asked for")
    func force() throws {
        let service = try FakeService { _, payload in
            var response = WireReloadResponse()
            response.ok = true
            response.changes = [((try? WireReloadRequest(payload: payload))?.force == true) ? "forced" : "not forced"]
            return .init(response)
        }
        #expect(try service.sluice("reload").outputLines.last == "not forced")
        #expect(try service.sluice("reload", "--force").outputLines.last == "forced")
    }

    @Test("A service of an older version has no reload, which is said in a line")
    func older() throws {
        let service = try FakeService { _, _ in .refusal(.unimplemented, "not served by this version") }
        let outcome = try service.sluice("reload")
        #expect(outcome.status == 69)
        #expect(outcome.errorLines == ["sluice: the service at \(service.address) refused: not served by this version"])
    }

    @Test("A real service takes up an edited limits file, and refuses a broken one without a change")
    func real() async throws {
        func limits(_ max: Int) -> String {
            """
            version: 1
            rules:
              - { name: logins, check: login, per: [user], limits: [ { max: \(max), window: 10m } ] }

            """
        }
        let service = try await ServiceProcess.start(limits: limits(5))
        let file = URL(fileURLWithPath: "\(service.folder)/limits.yaml")
        func sluice(_ arguments: String...) throws -> Program.Outcome {
            try Program.sluice.run(arguments, environment: ["SLUICE_ADMIN": service.address("admin")])
        }
        try Data(limits(7).utf8).write(to: file)
        let edited = try sluice("reload", "--json")
        // The service watches the file as well and may have been faster; the rules are the new ones either way.
        #expect(edited.status == 0, "\(edited.errors)")
        #expect(try edited.json()["ok"] == true)
        #expect(try edited.json()["generation"] == 2)
        #expect(try sluice("rules", "--json").json()["rules"]?[0]?["limits"]?[0]?["max"] == 7)
        let again = try sluice("reload").output
        #expect(again.hasPrefix("nothing changed; generation "))

        try Data("version: 1\nrulez: []\n".utf8).write(to: file)
        let broken = try sluice("reload")
        #expect(broken.status == 65)
        let generation = again.dropFirst("nothing changed; ".count).dropLast()
        #expect(broken.errorLines.first == "sluice: not reloaded; \(generation) stays in force")
        #expect(broken.errorLines.dropFirst().first?.hasPrefix("\(file.path):2:1: ") == true)
        #expect(try sluice("rules").outputLines.first == "THE LAST RELOAD FAILED; the rules below stay in force")
    }
}
