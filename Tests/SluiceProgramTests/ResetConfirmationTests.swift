import Foundation
import Testing

/// What `sluice reset` asks on a terminal, by a terminal.
@Suite(.serialized) struct ResetConfirmationTests {
    private static let limits = """
        version: 1
        rules:
          - { name: logins, check: login, per: [user], limits: [ { max: 5, window: 10m }, { max: 9, window: 10m } ] }
          - { name: daily, check: login, per: [user], limits: [ { max: 50, window: 1d } ] }
          - { name: payments, check: pay, per: [user], limits: [ { max: 5, window: 1d } ] }
          - { name: pairs, check: login, per: [user, device], limits: [ { max: 5, window: 1d } ] }

        """

    private static func countedService() throws -> RunningService {
        let service = try RunningService(limits: limits)
        for _ in 0..<2 { _ = try service.sluice("check", "login", "user=u1", "device=d1") }
        return service
    }

    private static func used(_ service: RunningService) throws -> JSONValue? {
        try service.sluice("inspect", "user=u1", "--json").json()["usages"]?[0]?["used"]
    }

    @Test(
        "Anything but a yes resets nothing, the end of the input too",
        arguments: ["\n", "n\n", "no\n", "yep\n", "\u{4}"])
    func declined(answer: String) throws {
        let service = try Self.countedService()
        let terminal = try PseudoTerminal("reset", "user=u1", "--admin", service.address("admin"))
        try terminal.wait { $0.hasSuffix("forget these 2 counters of user=u1? [y/N] ") }
        // Counters that nothing is in, and those of other tuples, are not at stake.
        #expect(terminal.output.contains("daily"))
        #expect(!terminal.output.contains("payments"))
        #expect(!terminal.output.contains("pairs"))
        terminal.type(answer)
        #expect(try terminal.exitStatus() == 1)
        #expect(terminal.output.contains("sluice: nothing was reset\r\n"))
        #expect(try Self.used(service) == 2)
    }

    @Test("A yes resets, as does --yes without a question", arguments: [["y\n"], ["Yes\n"], []])
    func confirmed(answer: [String]) throws {
        let service = try Self.countedService()
        let terminal =
            if let word = answer.first {
                try {
                    let terminal = try PseudoTerminal(
                        "reset", "user=u1", "--rule", "logins", "--admin", service.address("admin"))
                    try terminal.wait { $0.hasSuffix("forget this 1 counter of user=u1? [y/N] ") }
                    terminal.type(word)
                    return terminal
                }()
            } else {
                try PseudoTerminal("reset", "user=u1", "--rule", "logins", "--yes", "--admin", service.address("admin"))
            }
        #expect(try terminal.exitStatus() == 0)
        #expect(terminal.output.contains("[y/N]") != answer.isEmpty)
        #expect(terminal.output.hasSuffix("forgot 1 counter of user=u1\r\n"))
        #expect(try Self.used(service) == 0)
    }

    @Test("Nothing counted is nothing to ask about")
    func nothing() throws {
        let service = try Self.countedService()
        let terminal = try PseudoTerminal("reset", "user=u2", "--admin", service.address("admin"))
        #expect(try terminal.exitStatus() == 0)
        #expect(terminal.output == "nothing was counted for exactly user=u2\r\n")
    }

    @Test("A signal ends the question, and nothing is reset")
    func interrupted() throws {
        let service = try Self.countedService()
        let terminal = try PseudoTerminal("reset", "user=u1", "--admin", service.address("admin"))
        try terminal.wait { $0.hasSuffix("[y/N] ") }
        terminal.signal(SIGINT)
        #expect(try terminal.exitStatus() == 130)
        #expect(try Self.used(service) == 2)
    }
}
