import Foundation
import Testing

/// The shells' completions that the programs generate.
@Suite struct CompletionTests {
    /// What bash offers for the last of these words.
    private static func offers(_ program: Program, _ words: String...) throws -> Set<String> {
        let folder = try TemporaryFolder()
        let script = try program.run(["--generate-completion-script", "bash"])
        #expect(script.status == 0)
        let file = try folder.file("completion.bash", script.output)
        let bash = try #require(Program.onPath("bash"))
        let syntax = try bash.run(["-n", file])
        #expect(syntax.status == 0, "\(syntax.errors)")
        let asking = #"""
            source "$1"; shift
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9
            "_$1" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
            printf '%s\n' "${COMPREPLY[@]}"
            """#
        return Set(try bash.run(["-c", asking, "bash", file] + words).outputLines)
    }

    @Test("A subcommand is completed, as are its options and their words")
    func subcommands() throws {
        #expect(try Self.offers(.sluice, "sluice", "re") == ["reset", "reload", "replay"])
        #expect(try Self.offers(.sluice, "sluice", "top", "--dim") == ["--dimension"])
        #expect(try Self.offers(.sluice, "sluice", "top", "--by", "") == ["busy", "refused"])
    }

    @Test("The service's options are completed, with their words and with files")
    func service() throws {
        #expect(try Self.offers(.sluiced, "sluiced", "--log-level", "w") == ["warning"])
        #expect(try Self.offers(.sluiced, "sluiced", "--clock", "") == ["redis", "request"])
        #expect(try Self.offers(.sluiced, "sluiced", "--log-format", "") == ["text", "json"])
        let folder = try TemporaryFolder()
        for name in ["limits.yaml", "notes.txt"] { _ = try folder.file(name, "") }
        let start = folder.url.path + "/"
        #expect(try Self.offers(.sluiced, "sluiced", "--config", start) == [start + "limits.yaml"])
        #expect(try Self.offers(.sluiced, "sluiced", "--limits", start).isSuperset(of: [start + "limits.yaml"]))
    }

    @Test("The other shells have theirs", arguments: ["zsh", "fish"])
    func others(shell: String) throws {
        for program in [Program.sluice, .sluiced] {
            let script = try program.run(["--generate-completion-script", shell])
            #expect(script.status == 0)
            #expect(!script.output.isEmpty)
        }
    }
}
