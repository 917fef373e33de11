import SluiceReference
import TestSupport
import Testing

@testable import SluiceEngine

/// Whether the tests that hold the scripts against the reference model would notice if a script were wrong.
@Suite("A script with one thing wrong is found out")
struct MutantTests {
    /// All of them with a million random operations, else the first of each file.
    private static let played =
        DifferentialTests.operations >= 1_000_000 ? Mutant.all : Mutant.byPart.compactMap(\.first)

    @Test("By random traffic with fixed seeds, or in a small scope", arguments: played)
    func isFound(mutant: Mutant) async throws {
        let scripts = try mutant.scripts()
        switch mutant.catcher {
        case .differential:
            let redis = try RedisServer()
            for seed in 1...Mutant.rounds {
                let play = DifferentialPlay(
                    seed: seed, operations: Mutant.operationsPerRound, keyPrefix: "t\(seed)-", scripts: scripts)
                if try await play.run(on: redis) != nil { return }
            }
        case .smallScope(let scope):
            let search = try await SmallScopeSearch(scope, scripts: scripts)
            do {
                try await search.run()
            } catch is SmallScopeSearch.Disagreement {
                return
            } catch is RedisFailure {
                return
            }
        }
        Issue.record("\(mutant.testDescription): nothing has noticed it")
    }

    @Test("Every one of them still changes a line of a script")
    func isThere() throws {
        for mutant in Mutant.all { _ = try mutant.scripts() }
        #expect(Mutant.all.count >= 25)
    }
}
