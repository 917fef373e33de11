import SluiceWire

/// An answer to `sluice reload`, in words and in JSON.
struct ReloadReport: Report {
    private let response: WireReloadResponse

    init(_ response: WireReloadResponse) {
        self.response = response
    }

    /// Of a reload that succeeded.
    func lines(for terminal: Terminal) -> [String] {
        guard !response.changes.isEmpty else { return ["nothing changed; generation \(response.generation)"] }
        return ["generation \(response.generation)"] + response.changes.map(\.printable)
    }

    /// Of one that did not: what holds instead, each error a line of its own, and what it would have changed.
    var refusal: [String] {
        var lines = ["sluice: not reloaded; generation \(response.generation) stays in force"]
        lines += response.errors.map(\.printable)
        if !response.changes.isEmpty {
            lines.append("it would change:")
            lines += response.changes.map { "  \($0.printable)" }
        }
        return lines
    }

    var json: JSON {
        [
            "ok": .bool(response.ok),
            "generation": .integer(response.generation),
            "errors": .texts(response.errors),
            "changes": .texts(response.changes),
        ]
    }
}
