/// What a command has to show: words for people, JSON for programs.
protocol Report: Sendable {
    func lines(for terminal: Terminal) -> [String]
    var json: JSON { get }
}

extension Report {
    func print(as output: OutputOptions, on terminal: Terminal) throws(Failure) {
        if output.json {
            try Output.print(json)
        } else {
            try Output.print(lines(for: terminal))
        }
    }
}
