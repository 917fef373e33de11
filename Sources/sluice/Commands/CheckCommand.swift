import ArgumentParser
import SluiceClient
import SluiceModel
import SluiceWire

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Ask for one decision.",
        discussion: """
            Judges the request by every limit that applies to it and, unless the verdict is deny, counts it. The exit \
            status is the verdict: 0 allow, 10 review, 11 challenge, 12 deny.

              $ sluice check login user=u17 ip=203.0.113.9
              $ sluice check checkout user=u17 merchant=m4 --amount 129900
              $ sluice check checkout user=u17 --peek          judge, count nothing
              $ sluice check checkout user=u17 --watch         peek again and again
              $ sluice check login.failed user=u17 --record    report an outcome, judge nothing
              $ sluice check coupon.redeem user=u17 --event-id order-8812

            In a script:

              $ if sluice check login user="$USER_ID" >/dev/null; then ...; fi
            """
    )

    enum Mode: String, EnumerableFlag {
        case peek
        case record

        static func help(for value: Mode) -> ArgumentHelp? {
            switch value {
            case .peek: "Judge as a check would, and count nothing."
            case .record: "Count an outcome, and judge nothing."
            }
        }
    }

    @Argument(help: ArgumentHelp("What is being done, such as login or coupon.redeem.", valueName: "action"))
    var action: String

    @Argument(help: ArgumentHelp("Who and what is involved, such as user=u17 device=9f3c.", valueName: "dim=value"))
    var entities: [EntityArgument] = []

    @Option(help: ArgumentHelp("How much it weighs in counts, 1 to 2147483647.", valueName: "n"))
    var cost: UInt32 = 1

    @Option(help: ArgumentHelp("How much it adds to sums, in minor units such as cents.", valueName: "n"))
    var amount: UInt64 = 0

    @Option(help: ArgumentHelp("Decide this event once: a repeat gets the first answer.", valueName: "id"))
    var eventID: String?

    @Flag(exclusivity: .exclusive)
    var mode: Mode?

    @Option(help: ArgumentHelp("With --record: how long ago it happened, such as 90s or 2h.", valueName: "duration"))
    var age: DurationArgument?

    @Option(help: ArgumentHelp("How long the service may take, such as 50ms.", valueName: "duration"))
    var deadline: DurationArgument?

    @OptionGroup var watching: WatchOptions
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        try entities.validate()
        guard (1...Caps.actionBytes).contains(action.utf8.count) else {
            throw ValidationError("An action is 1 to \(Caps.actionBytes) bytes long.")
        }
        guard (1...Caps.cost).contains(UInt64(cost)) else {
            throw ValidationError("The value of '--cost' must be from 1 to \(Caps.cost).")
        }
        guard amount <= Caps.exactInteger else {
            throw ValidationError("The value of '--amount' must be at most \(Caps.exactInteger).")
        }
        if let eventID, !(1...Caps.eventIDBytes).contains(eventID.utf8.count) {
            throw ValidationError("The value of '--event-id' must be 1 to \(Caps.eventIDBytes) bytes long.")
        }
        guard !watching.watch || mode != .record else {
            throw ValidationError("'--watch' looks and counts nothing; an outcome can only be recorded once.")
        }
        guard age == nil || mode == .record else {
            throw ValidationError("'--age' goes with '--record': only an outcome is reported later.")
        }
        if let deadline, !(1...60_000).contains(deadline.ms) {
            throw ValidationError("The value of '--deadline' must be from 1ms to 60s.")
        }
    }

    /// How long a person waits gladly.
    private static let patience = Duration.seconds(2)

    func run() async throws {
        let environment = Environment()
        let endpoint = try server.endpoint(environment: environment)
        // A service that uses up its deadline still answers, by policy: the answer gets as long again to come home.
        let own = deadline.map { Duration.milliseconds(Int64($0.ms)) }
        let response = try await withClient(of: endpoint, answerMargin: own) { client in
            // Connecting is no part of the deadline, as it is none for a gateway.
            _ = try await client.ping(deadline: Self.patience)
            if watching.watch {
                var peek = request
                peek.mode = .peek
                try await watching.show {
                    let decision = DecisionReport(
                        try await client.check(peek, deadline: own.map { $0 * 2 } ?? Self.patience))
                    return output.json
                        ? [decision.json.line] : decision.lines(for: .standardOutput(environment: environment))
                }
            }
            return try await client.check(request, deadline: own.map { $0 * 2 } ?? Self.patience)
        }
        let decision = DecisionReport(response)
        if output.json {
            try Output.print(decision.json)
        } else {
            try Output.print(decision.lines(for: .standardOutput(environment: environment)))
        }
        throw Failure(ExitStatus(decision.verdict))
    }

    private var request: WireCheckRequest {
        var request = WireCheckRequest(action: action, entities: entities.wire)
        request.cost = cost
        request.amount = amount
        switch mode {
        case nil: request.mode = .check
        case .peek: request.mode = .peek
        case .record: request.mode = .record
        }
        if let eventID { request.eventID = Data(eventID.utf8) }
        if let age { request.ageMs = age.ms }
        return request
    }
}
