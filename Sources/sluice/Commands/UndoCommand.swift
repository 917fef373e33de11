import ArgumentParser
import SluiceClient
import SluiceModel
import SluiceWire

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

struct UndoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "undo",
        abstract: "Take back what an event counted.",
        discussion: """
            Takes back what the check or the record with this event id, action and entities counted: all of it, or as \
            much as --cost and --amount say. It does so once, and only while the event is remembered (event_memory of \
            the limits file). Where the event has not come yet, it will be answered but not counted.

              $ sluice check coupon.redeem user=u17 --event-id order-8812
              $ sluice undo coupon.redeem user=u17 --event-id order-8812
              $ sluice undo checkout user=u17 --event-id order-8813 --amount 129900    a part of an order

            A block that the event has started stays: sluice unblock lifts it.
            """
    )

    @Argument(help: ArgumentHelp("What was done, such as coupon.redeem.", valueName: "action"))
    var action: String

    @Argument(help: ArgumentHelp("The entities as they were given then, such as user=u17.", valueName: "dim=value"))
    var entities: [EntityArgument] = []

    @Option(help: ArgumentHelp("The event's id.", valueName: "id"))
    var eventID: String

    @Option(help: ArgumentHelp("How much of its cost to take back (all).", valueName: "n"))
    var cost: UInt32?

    @Option(
        help: ArgumentHelp("How much of its amount to take back, in minor units such as cents (all).", valueName: "n"))
    var amount: UInt64?

    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        try entities.validate()
        guard (1...Caps.actionBytes).contains(action.utf8.count) else {
            throw ValidationError("An action is 1 to \(Caps.actionBytes) bytes long.")
        }
        guard (1...Caps.eventIDBytes).contains(eventID.utf8.count) else {
            throw ValidationError("The value of '--event-id' must be 1 to \(Caps.eventIDBytes) bytes long.")
        }
        if let cost, !(1...Caps.cost).contains(UInt64(cost)) {
            throw ValidationError("The value of '--cost' must be from 1 to \(Caps.cost).")
        }
        if let amount, !(1...Caps.exactInteger).contains(amount) {
            throw ValidationError("The value of '--amount' must be from 1 to \(Caps.exactInteger).")
        }
    }

    /// How long a person waits gladly.
    private static let patience = Duration.seconds(2)

    func run() async throws {
        let endpoint = try server.endpoint(environment: Environment())
        let response = try await withClient(of: endpoint) { client in
            var request = WireUndoRequest()
            request.action = action
            request.entities = entities.wire
            request.eventID = Data(eventID.utf8)
            request.cost = cost ?? 0
            request.amount = amount ?? 0
            return try await client.undo(request, deadline: Self.patience)
        }
        if output.json {
            try Output.print(["undone": .bool(response.undone)])
        } else if response.undone {
            try Output.print(["taken back"])
        } else {
            try Output.print([
                "nothing to take back: the event is not remembered, or was taken back before",
                "should it still come, it is answered and not counted",
            ])
        }
    }
}
