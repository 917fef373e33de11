import SluiceClient
import SluiceModel
import SluiceWire

/// What `sluice check --watch` shows: the decision, and how full each limit is that judged.
struct WatchedCheck: Report {
    let decision: DecisionReport
    /// Of the limits that judge this request; nil where the operators' listener was not asked, or did not answer.
    let usages: [WireUsage]?
    /// Why there are none.
    let note: String

    func lines(for terminal: Terminal) -> [String] {
        let limits =
            usages.map { usages in
                usages.isEmpty
                    ? ["no limit judges this request"]
                    : UsageReport.table(of: usages, for: terminal).lines(for: terminal)
            } ?? [terminal.coloured(note, .faint)]
        return decision.lines(for: terminal) + [""] + limits
    }

    /// A decision's keys and `usages`.
    var json: JSON {
        guard case .members(let members) = decision.json else { return decision.json }
        let list = usages.map { JSON.list($0.map(UsageReport.json)) }
        return .members(members + [.init(key: "usages", value: list ?? .null)])
    }
}

/// Reads the limits that judge one request, over the operators' listener.
///
/// Inspect tells of every limit of the request's entities. Which of them judge its action is in the rules, which are
/// read again when their generation changes.
struct JudgingLimits {
    private let request: WireCheckRequest
    private var rules: (generation: UInt64, judging: Set<String>?)?

    init(of request: WireCheckRequest) {
        self.request = request
    }

    /// The limits in file order; of rules that this program cannot read, all of the entities.
    mutating func usages(_ client: SluiceClient) async throws(SluiceClientError) -> [WireUsage] {
        var inspection = WireInspectRequest()
        inspection.entities = request.entities
        let inspected = try await client.inspect(inspection)
        if rules?.generation != inspected.generation {
            let response = try await client.rules()
            rules = (response.generation, response.parsedFile.map { judging($0.rules, $0.normalizers) })
        }
        guard let judging = rules?.judging else { return inspected.usages }
        return inspected.usages.filter { judging.contains($0.rule) }
    }

    private func judging(_ rules: [Rule], _ normalizers: [String: Normalizer]) -> Set<String> {
        var bytes = Array(request.action.utf8)
        let ranges = request.entities.map { entity in
            let start = bytes.count
            bytes += entity.dimension.utf8
            let value = bytes.count
            bytes += entity.value
            return RequestView.Entity(dimension: start..<value, value: value..<bytes.count)
        }
        return bytes.withUnsafeBytes { buffer in
            var view = RequestView(bytes: buffer)
            view.action = 0..<request.action.utf8.count
            for range in ranges { _ = view.append(range) }
            view.mode = .peek
            var matching = JudgingRules(rules, normalizers: normalizers)
            return Set(matching.judging(view).map { rules[$0].name })
        }
    }
}
