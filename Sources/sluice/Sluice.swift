import ArgumentParser

struct Sluice: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sluice",
        abstract: "Ask, inspect and rehearse a Sluice service.",
        discussion: """
            Sluice answers one question per request: may this user, on this device, do this now? This program asks it \
            from a shell, shows what is counted, and plays recorded events against limits before they go live.

            Start a service with its own private Redis, then ask it:

              $ sluiced --limits limits.yaml &
              $ sluice check login user=u17 device=9f3c
              $ sluice inspect user=u17
              $ sluice top --by refused --watch

            Decisions go to --server (SLUICE_SERVER, 127.0.0.1:7400 unless set); what operators do goes to --admin \
            (SLUICE_ADMIN, the socket in the service's state directory unless set). Every command takes --json.

            Exit status: 0 done or allow, 1 not confirmed or different, 10 review, 11 challenge, 12 deny, 64 wrong usage, \
            65 bad data, 69 no service, 70 internal failure, 130 Ctrl-C, 143 SIGTERM.

            Completions for a shell: sluice --generate-completion-script bash, or zsh, or fish.
            """,
        subcommands: [
            CheckCommand.self, UndoCommand.self, InspectCommand.self, TopCommand.self, ResetCommand.self,
            BlockCommand.self, AllowCommand.self, WatchCommand.self, UnblockCommand.self, ListingsCommand.self,
            RulesCommand.self, ReloadCommand.self, StatsCommand.self, ConfigCommand.self, ReplayCommand.self,
            BenchCommand.self,
        ]
    )
}
