import ArgumentParser
import SluiceClient
import SluiceWire

struct TopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Show the busiest and the most refused entities.",
        discussion: """
            Of each dimension that the rules name, the entities that come up most in checks, by one service's estimate \
            over the last minute or two.

              $ sluice top                               busiest
              $ sluice top --by refused --watch          most refused, live
              $ sluice top --dimension ip --count 50

            COUNT is an upper bound; what stands behind ± is how much too high it may be. At more than about 2,000 \
            checks a second it is scaled up from samples.
            """
    )

    enum Rank: String, ExpressibleByArgument, CaseIterable {
        case busy
        case refused
    }

    @Option(help: ArgumentHelp("Ranked by checks, or by checks that were denied.", valueName: "busy|refused"))
    var by = Rank.busy

    @Option(help: ArgumentHelp("This dimension alone.", valueName: "dim"))
    var dimension: String?

    @Option(help: ArgumentHelp("Entities of each dimension, 1 to 100.", valueName: "n"))
    var count = 10

    @OptionGroup var watching: WatchOptions
    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...100).contains(count) else { throw ValidationError("The value of '--count' must be from 1 to 100.") }
        if let dimension, !EntityArgument.isDimension(dimension.utf8) {
            throw ValidationError("A dimension is 1 to 32 characters of a-z, 0-9 and _.")
        }
    }

    func run() async throws {
        let environment = Environment()
        let endpoint = try admin.endpoint(environment: environment)
        var request = WireTopRequest()
        request.by = by == .busy ? .busy : .refused
        request.dimension = dimension ?? ""
        request.count = UInt32(count)
        try await withClient(of: endpoint) { client in
            try await watching.show {
                let report = TopReport(try await client.top(request), by: by)
                return output.json ? [report.json.line] : report.lines(for: .standardOutput(environment: environment))
            }
        }
    }
}

/// An answer to `sluice top`, in words and in JSON.
struct TopReport {
    private let response: WireTopResponse
    private let by: TopCommand.Rank

    init(_ response: WireTopResponse, by: TopCommand.Rank) {
        self.response = response
        self.by = by
    }

    private var title: String {
        let what = by == .busy ? "checks" : "denials"
        return "\(what) in the last \(DurationWords.spell(ms: response.windowMs)), generation \(response.generation)"
    }

    func lines(for terminal: Terminal) -> [String] {
        guard !response.entries.isEmpty else { return [title, "none yet"] }
        var table = Table("DIMENSION", "VALUE", " COUNT", " PER SECOND", "±")
        var last: String?
        let seconds = max(1, Double(response.windowMs) / 1_000)
        for entry in response.entries {
            let value = String(decoding: entry.entity.value, as: UTF8.self)
            table.add(
                .init(entry.entity.dimension == last ? "" : entry.entity.dimension.printable, .bold),
                .init(value.printable),
                .init(NumberWords.grouped(entry.count), by == .refused ? .red : nil),
                .init(Self.rate(Double(entry.count) / seconds)),
                entry.error > 0 ? .init(NumberWords.grouped(entry.error), .faint) : ""
            )
            last = entry.entity.dimension
        }
        return [title, ""] + table.lines(for: terminal)
    }

    private static func rate(_ perSecond: Double) -> String {
        let tenths = UInt64((perSecond * 10).rounded())
        return tenths >= 1_000 ? NumberWords.grouped(tenths / 10) : "\(tenths / 10).\(tenths % 10)"
    }

    var json: JSON {
        [
            "by": .text(by.rawValue),
            "window_ms": .integer(response.windowMs),
            "generation": .integer(response.generation),
            "entries": .list(
                response.entries.map { entry in
                    [
                        "dimension": .text(entry.entity.dimension),
                        "value": .text(String(decoding: entry.entity.value, as: UTF8.self)),
                        "count": .integer(entry.count),
                        "error": .integer(entry.error),
                    ]
                }
            ),
        ]
    }
}
