import Foundation
import SluiceWire
import Testing

@Suite("Lists on the command line", .timeLimit(.minutes(2)))
struct ListCommandTests {
    private static let limits = """
        version: 1
        rules:
          - { name: logins, check: login, per: [user], limits: [ { max: 2, window: 1h } ] }
          - { name: trial, check: login, per: [user], limits: [ { max: 1, window: 1h } ], shadow: true }

        """

    @Test("What is blocked, allowed and watched is listed with who, why and until when, in words and in JSON")
    func listings() throws {
        let service = try RunningService(limits: Self.limits)
        #expect(try service.sluice("listings").output == "nothing is listed\n")
        #expect(try service.sluice("listings", "user=u17").output == "user=u17: on no list\n")
        let block = try service.sluice("block", "user=u17", "--for", "1h", "--reason", "case 8812", "--by", "ann")
        #expect(block.status == 0)
        #expect(block.output.hasPrefix("user=u17 is on the deny list until 20"))
        #expect(block.output.hasSuffix("Z\n"))
        #expect(try service.sluice("allow", "user=probe").output == "user=probe is on the allow list for good\n")
        #expect(
            try service.sluice("allow", "user=probe").output == "user=probe is on the allow list for good already\n")
        let watch = try service.sluice("watch", "merchant=a\u{1B}[31m", "--json")
        #expect(watch.output == "{\"changed\": true, \"until_ms\": null}\n")

        let lines = try service.sluice("listings").outputLines
        #expect(lines.count == 4)
        #expect(lines[0].hasPrefix("LIST   ENTITY"))
        #expect(lines[1].hasPrefix(#"watch  merchant=a\u{1b}[31m  for good"#))
        #expect(lines[3].hasPrefix("deny   user=u17") && lines[3].hasSuffix("  ann  case 8812"))
        let json = try service.sluice("listings", "user=u17", "device=d", "--json").json()["listings"]
        #expect(json?.count == 1)
        #expect(
            json?[0]?.keys == ["by", "dimension", "from_file", "kind", "reason", "since_ms", "until_ms", "value"])
        #expect(json?[0]?["kind"] == "deny" && json?[0]?["value"] == "u17" && json?[0]?["by"] == "ann")

        let inspect = try service.sluice("inspect", "user=u17")
        #expect(inspect.outputLines[0].hasPrefix("on the deny list: user=u17, until 20"))
        #expect(inspect.outputLines[0].hasSuffix(", by ann: case 8812"))
        #expect(try service.sluice("inspect", "user=u17", "--json").json()["listings"]?[0]?["reason"] == "case 8812")
    }

    @Test("The login name stands for who asks")
    func loginName() throws {
        let service = try RunningService(limits: Self.limits)
        let environment = ["SLUICE_ADMIN": service.address("admin"), "USER": "bea"]
        _ = try Program.sluice.run(["block", "user=u1"], environment: environment)
        _ = try Program.sluice.run(
            ["block", "user=u2"], environment: environment.merging(["SUDO_USER": "cid"]) { $1 })
        let listings = try service.sluice("listings", "--json").json()["listings"]
        #expect(listings?[0]?["by"] == "bea")
        #expect(listings?[1]?["by"] == "cid")
    }

    @Test("Unblock says what it took off, and which limits are full all the same")
    func unblock() throws {
        let service = try RunningService(limits: Self.limits)
        #expect(
            try service.sluice("unblock", "user=u17").output
                == "nothing blocked user=u17, and it was on no list of its own\n")
        _ = try service.sluice("block", "user=u17")
        #expect(try service.sluice("unblock", "user=u17").output == "user=u17 is off the list\n")
        for _ in 0..<2 { _ = try service.sluice("check", "login", "user=u17") }
        _ = try service.sluice("block", "user=u17")
        #expect(
            try service.sluice("unblock", "user=u17").outputLines == [
                "user=u17 is off the list", "still full: logins, 2 per 1h, 2/2",
                "to let it in now: sluice reset user=u17",
            ])
        let json = try service.sluice("unblock", "user=u17", "--json").json()
        #expect(json.keys == ["changed", "full", "lifted_blocks", "listings"])
        #expect(json["changed"] == false && json["lifted_blocks"] == 0 && json["full"]?[0]?["rule"] == "logins")
        // Nothing is kept of the two together.
        #expect(try service.sluice("unblock", "user=u17", "device=d").status == 0)
    }

    @Test("What is blocked is denied at once, what is allowed passes a full limit, and the trip says which list it was")
    func decides() throws {
        let service = try RunningService(limits: Self.limits)
        #expect(try service.sluice("check", "login", "user=u17").status == 0)
        _ = try service.sluice("block", "user=u17", "--for", "1h")
        let denied = try service.sluice("check", "login", "user=u17")
        #expect(denied.status == 12)
        #expect(denied.outputLines[1] == "retry after 1h")
        #expect(denied.outputLines[3].hasPrefix("-      deny user     -  deny     1h "))
        #expect(denied.outputLines[3].hasSuffix("  LISTED"))
        _ = try service.sluice("allow", "user=u17")
        for _ in 0..<3 { #expect(try service.sluice("check", "login", "user=u17").status == 0) }
        #expect(try service.sluice("inspect", "user=u17", "--json").json()["usages"]?[0]?["used"] == 4)
        _ = try service.sluice("watch", "device=d")
        #expect(try service.sluice("check", "login", "user=new", "device=d").status == 10)
        _ = try service.sluice("unblock", "user=u17")
        #expect(try service.sluice("check", "login", "user=u17").status == 12)
    }

    @Test("A block of a limit is lifted, and the limit that set it stays full")
    func blockOfALimit() throws {
        let service = try RunningService(
            limits: """
                version: 1
                rules:
                  - name: logins
                    check: login
                    per: [user]
                    limits: [ { max: 1, window: 1h, block_for: [2h, 1d] } ]

                """)
        for _ in 0..<2 { _ = try service.sluice("check", "login", "user=u17") }
        let blocked = try service.sluice("check", "login", "user=u17")
        #expect(blocked.output.contains("BLOCKED"))
        #expect(try service.sluice("inspect", "user=u17").output.contains("2h (step 1)"))
        #expect(
            try service.sluice("unblock", "user=u17").outputLines == [
                "lifted 1 block of user=u17", "still full: logins, 1 per 1h, 1/1",
                "to let it in now: sluice reset user=u17",
            ])
        #expect(try service.sluice("inspect", "user=u17", "--json").json()["usages"]?[0]?["blocked_ms"] == 0)
    }

    @Test("A network where the dimension is no address is taken as it stands, with a word about it")
    func network() throws {
        let service = try RunningService(limits: Self.limits)
        let block = try service.sluice("block", "ip=203.0.113.0/24")
        #expect(block.status == 0)
        #expect(block.errors.contains("do not declare ip as type ip"))
        #expect(try service.sluice("block", "path=a/b").errors.isEmpty)
        #expect(try service.sluice("listings", "ip=203.0.113.9").output == "ip=203.0.113.9: on no list\n")
    }

    @Test(
        "What cannot be is refused before anything is asked, with status 64",
        arguments: [
            ["block"], ["block", "user"], ["block", "user="], ["block", "user=u", "device=d"],
            ["block", "user=u", "--for", "soon"], ["block", "user=u", "--for", "3651d"],
            ["block", "user=u", "--reason", String(repeating: "r", count: 501)],
            ["block", "user=u", "--by", String(repeating: "b", count: 201)], ["unblock"], ["unblock", "user="],
            ["unblock", "user=u", "user=v"], ["listings", "user="], ["undo", "login", "user=u"],
            ["undo", "login", "user=u", "--event-id", ""],
            ["undo", "login", "user=u", "--event-id", "e", "--cost", "0"],
            ["undo", "", "user=u", "--event-id", "e"],
        ])
    func usage(arguments: [String]) throws {
        let outcome = try Program.sluice.run(arguments, environment: ["SLUICE_ADMIN": "unix:/nonexistent/admin.sock"])
        #expect(outcome.status == 64)
        #expect(outcome.output.isEmpty && !outcome.errors.isEmpty)
    }

    @Test("What the service refuses ends in status 65, no service in 69")
    func refused() throws {
        let service = try RunningService(limits: Self.limits)
        let refused = try service.sluice("block", "user=u", "--reason", "a\u{1B}b")
        #expect(refused.status == 65)
        #expect(refused.errors.contains("reason has a control character"))
        let nowhere = ["SLUICE_ADMIN": "unix:/nonexistent/admin.sock"]
        for command in [["block", "user=u"], ["unblock", "user=u"], ["listings"]] {
            #expect(try Program.sluice.run(command, environment: nowhere).status == 69)
        }
    }

    @Test("Undo sends what is to be taken back, and says whether it was")
    func undo() throws {
        let service = try FakeService { method, payload in
            let request = try? WireUndoRequest(payload: payload)
            var response = WireUndoResponse()
            response.undone =
                method == .undo && request?.action == "pay" && request?.entities == [WireEntity("user", "u17")]
                && request?.eventID == Data("e1".utf8) && request?.cost == 2 && request?.amount == 500
            return FakeService.Reply(response)
        }
        let undone = try service.sluice(
            "undo", "pay", "user=u17", "--event-id", "e1", "--cost", "2", "--amount", "500")
        #expect(undone.status == 0 && undone.output == "taken back\n")
        let nothing = try service.sluice("undo", "pay", "user=u17", "--event-id", "e2")
        #expect(nothing.status == 0 && nothing.output.hasPrefix("nothing to take back: "))
        #expect(try service.sluice("undo", "pay", "--event-id", "e", "--json").output == "{\"undone\": false}\n")
    }
}
