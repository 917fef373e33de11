import ArgumentParser
import SluiceClient
import SluiceWire

struct ReloadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Put the limits file in force now, and tell what changed.",
        discussion: """
            Answers when every part of the service judges by the new rules. A bad file leaves the rules as they are, \
            and so does one that breaks a guardrail (`reload:` in the limits file) unless --force is given.

              $ sluice reload
              generation 4
              merchant-orders: 6000 → 4000 per 1m, acts at once

            Exit status: 0 in force, 65 refused, 69 no service.
            """
    )

    @Flag(help: "Even past the guardrails, never past an error in the file.")
    var force = false

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let endpoint = try admin.endpoint(environment: Environment())
        let response = try await withClient(of: endpoint) { client in
            var request = WireReloadRequest()
            request.force = force
            return try await client.reload(request)
        }
        if output.json {
            try Output.print([
                "ok": .bool(response.ok),
                "generation": .integer(response.generation),
                "errors": .texts(response.errors),
                "changes": .texts(response.changes),
            ])
            if !response.ok { throw Failure(.badData) }
            return
        }
        guard response.ok else {
            let head = "not reloaded; generation \(response.generation) stays in force"
            throw Failure(.badData, ([head] + response.errors.map(\.printable)).joined(separator: "\n"))
        }
        let changes = response.changes.isEmpty ? ["the file says what was in force before"] : response.changes
        try Output.print(["generation \(response.generation)"] + changes.map(\.printable))
    }
}
