import ArgumentParser
import Foundation
import NIOPosix

/// What a decision costs in instructions and allocations, held against a file of thresholds.
struct CountingOptions: ParsableArguments {
    @Flag(
        help: """
            Count instructions and allocations per decision instead, under valgrind: the same on a busy machine as on \
            an idle one.
            """)
    var instructions = false

    @Option(
        help: ArgumentHelp("Exit 1 if a count exceeds the one in this file.", valueName: "FILE"), completion: .file())
    var thresholds: String?

    @Flag(help: "Write the counts to that file, with 3 % to spare, rather than compare.")
    var setThresholds = false

    func validate() throws {
        if thresholds != nil, !instructions { throw ValidationError("'--thresholds' needs '--instructions'.") }
        if setThresholds, thresholds == nil { throw ValidationError("'--set-thresholds' needs '--thresholds'.") }
    }

    func run(_ output: OutputOptions) async throws {
        let known = try setThresholds ? nil : thresholds.map(CostThresholds.init(file:))
        let loops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let costs = try await DecisionCosts.measure(from: loops)
        try await loops.shutdownGracefully()
        if setThresholds, let thresholds {
            try CostThresholds(holding: costs).write(to: thresholds)
        }
        let report = CostReport(costs: costs, thresholds: known)
        try report.print(as: output, on: .standardOutput(environment: Environment()))
        if !report.isHeld { throw Failure(.differ) }
    }
}
