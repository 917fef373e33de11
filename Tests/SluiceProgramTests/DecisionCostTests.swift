import Foundation
import Testing

@testable import sluice

@Suite struct DecisionCostTests {
    private let costs = DecisionCosts(all: [
        .init(name: "service_instructions_64_at_once", perDecision: 20_000),
        .init(name: "allocations_64_at_once", perDecision: 3.5),
    ])
    private let terminal = Terminal(hasColour: false)

    @Test("Thresholds that were written from costs hold them, with 3 % to spare")
    func written() throws {
        let thresholds = try CostThresholds(text: CostThresholds(holding: costs).text, name: "t")
        #expect(thresholds.most["service_instructions_64_at_once"] == 20_600)
        #expect(thresholds.most["allocations_64_at_once"] == 3.61)
        let report = CostReport(costs: costs, thresholds: thresholds)
        #expect(report.isHeld)
        #expect(!report.lines(for: terminal).contains { $0.contains("exceeded") })
    }

    @Test("A cost above its threshold fails, and says by how much")
    func exceeded() throws {
        let text = "service_instructions_64_at_once 16000\nallocations_64_at_once 3.5 # now\n"
        let report = CostReport(costs: costs, thresholds: try CostThresholds(text: text, name: "t"))
        #expect(!report.isHeld)
        #expect(report.lines(for: terminal).contains { $0.contains("exceeded by 25.0 %") })
    }

    @Test("A cost without a threshold, and a threshold without a cost, fail")
    func names() throws {
        let few = CostReport(costs: costs, thresholds: try CostThresholds(text: "allocations_64_at_once 4", name: "t"))
        #expect(!few.isHeld)
        let many = CostThresholds(holding: costs).text + "allocation_64 4\n"
        let report = CostReport(costs: costs, thresholds: try CostThresholds(text: many, name: "t"))
        #expect(!report.isHeld)
        #expect(report.lines(for: terminal).contains { $0.hasPrefix("allocation_64 has a threshold") })
    }

    @Test(
        "A threshold that is no number is refused with its line",
        arguments: ["a", "a b", "a -1", "a nan", "a 1 2", "a 1\na 2"])
    func malformed(text: String) {
        let error = #expect(throws: Failure.self) { try CostThresholds(text: "# x\n" + text, name: "t") }
        #expect(error?.message.hasPrefix("t:") == true)
        #expect(error?.status == .badData)
    }

    /// The library is a product of its own, which only a build of everything makes.
    private static var probe: String? { try? BenchProbe.library() }

    @Test(
        "The preloaded library counts each allocation, and what the program starts is not counted",
        .enabled(if: probe != nil))
    func allocations() throws {
        guard let python = Program.onPath("python3") else {
            Issue.record("python3 is missing: apt-get install python3")
            return
        }
        let count = try AllocationCount(of: "python3")
        #expect(count.allocations == 0)
        func run(_ lines: String) throws -> (allocations: UInt64, outcome: Program.Outcome) {
            let before = count.allocations
            let outcome = try python.run(["-c", lines], environment: count.environment)
            return (count.allocations - before, outcome)
        }
        let calls = [
            "c.malloc(10)", "c.calloc(2, 10)", "c.realloc(None, 10)", "c.aligned_alloc(64, 64)", "c.memalign(64, 64)",
            "c.posix_memalign(p, 64, 64)",
        ]
        let begin = "import ctypes\nc = ctypes.CDLL(None)\np = ctypes.create_string_buffer(8)\nfor _ in range(1000):\n "
        let idle = try run(begin + "c.abs(1)")
        #expect(idle.outcome.status == 0 && idle.allocations > 0)
        for call in calls {
            let busy = try run(begin + call)
            // Python allocates too, about as much each time.
            #expect(900...1_100 ~= Int(busy.allocations) - Int(idle.allocations), "\(call): \(busy) after \(idle)")
        }
        let child = try run("import os\nprint(*[os.environ.get(n) for n in ('LD_PRELOAD', 'SLUICE_ALLOCATIONS_FILE')])")
        #expect(child.outcome.output == "None None\n")
        let other = try Program.onPath("env")?.run(["env"], environment: count.environment)
        #expect(other?.output.contains("SLUICE_ALLOCATIONS_FILE=") == true)
    }
}
