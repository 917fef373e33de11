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
              $ sluice check login.failed user=u17 --record    report an outcome, judge nothing
              $ sluice check coupon.redeem user=u17 --event-id order-8812
              $ sluice check login user=u17 --watch            peek again and again, count nothing

            Watching only ever peeks, so that looking does not use up what is looked at. It also shows how full each \
            limit is that judges the request, for which it asks the operators' listener: --admin, or the standard one \
            where --server is not given either.

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
    @OptionGroup var admin: AdminOptions
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
        guard age == nil || mode == .record else {
            throw ValidationError("'--age' goes with '--record': only an outcome is reported later.")
        }
        guard !watching.watch || mode != .record else {
            throw ValidationError("'--watch' only peeks: it goes with '--peek', not with '--record'.")
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
        if watching.watch {
            try await watch(at: endpoint, answerMargin: own, environment)
        } else {
            let decision = try await show(as: output, watching: watching, at: endpoint, answerMargin: own) { client in
                try await decide(client)
            }
            throw Failure(ExitStatus(decision.verdict))
        }
    }

    private func decide(_ client: SluiceClient) async throws(SluiceClientError) -> DecisionReport {
        // Connecting is no part of the deadline, as it is none for a gateway.
        _ = try await client.ping(deadline: Self.patience)
        let own = deadline.map { Duration.milliseconds(Int64($0.ms)) }
        return DecisionReport(try await client.check(request, deadline: own.map { $0 * 2 } ?? Self.patience))
    }

    private func watch(at endpoint: Endpoint, answerMargin: Duration?, _ environment: Environment) async throws {
        guard let operators = try operators(environment) else {
            let note = "--admin says where to ask how full each limit is"
            try await show(as: output, watching: watching, at: endpoint, answerMargin: answerMargin) { client in
                WatchedCheck(decision: try await decide(client), usages: nil, note: note)
            }
            return
        }
        try await withClient(of: operators) { adminClient in
            var limits = JudgingLimits(of: request)
            try await show(as: output, watching: watching, at: endpoint, answerMargin: answerMargin) { client in
                let decision = try await decide(client)
                do throws(SluiceClientError) {
                    return WatchedCheck(decision: decision, usages: try await limits.usages(adminClient), note: "")
                } catch {
                    // The decision is worth showing without them.
                    return WatchedCheck(decision: decision, usages: nil, note: Failure(error, at: operators).message)
                }
            }
        }
    }

    /// Where to ask for limits; nil where the service is named and its operators' listener is not: the standard one
    /// might be another service's.
    private func operators(_ environment: Environment) throws(Failure) -> Endpoint? {
        let isNamed = admin.admin != nil || environment["SLUICE_ADMIN"] != nil
        let isStandard = server.server == nil && environment["SLUICE_SERVER"] == nil
        return isNamed || isStandard ? try admin.endpoint(environment: environment) : nil
    }

    private var request: WireCheckRequest {
        var request = WireCheckRequest(action: action, entities: entities.wire)
        request.cost = cost
        request.amount = amount
        switch mode {
        case nil: request.mode = watching.watch ? .peek : .check
        case .peek: request.mode = .peek
        case .record: request.mode = .record
        }
        if let eventID { request.eventID = Data(eventID.utf8) }
        if let age { request.ageMs = age.ms }
        return request
    }
}
