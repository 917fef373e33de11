import SluiceClient
import SluiceModel
import SluiceWire

/// What a replay leaves.
struct ReplayOutcome: Sendable {
    var report: ReplayReport
    /// The number of the first bad line, and what is wrong with it.
    var firstBad: (number: UInt64, error: String)?
}

/// Plays event lines through a service, in their order, and accounts for the answers.
///
/// Belongs to one thread, which may block. A bounded number of questions is out at once, all over one connection, whose
/// requests are judged in the order they are sent; what was decided is written in that order too.
struct ReplayRun: ~Copyable {
    /// How many events are out at once; the memory a replay needs.
    static let window = 512
    /// Long enough for a Redis that writes its file to disk. The service sets no deadline of its own.
    private static let deadline = Duration.seconds(600)

    private enum Pending {
        case asked(EventLine, question: UInt64)
        case bad(String)
    }

    private let client: SluiceClient
    private let answers = AnswerWindow(size: window)
    private var decisions: Output?
    private let normalizers: [String: Normalizer]
    private var matching: JudgingRules
    private var report: ReplayReport
    private var firstBad: (number: UInt64, error: String)?

    /// In the order of the lines; those before `head` are settled.
    private var pending: [Pending] = []
    private var head = 0
    private var questions: UInt64 = 0
    private var settled: UInt64 = 0

    /// - Parameter decisions: where the decisions go, if anywhere.
    init(client: SluiceClient, limits: LimitsFile, decisions: consuming Output?) {
        self.client = client
        self.decisions = decisions
        normalizers = limits.normalizers
        matching = JudgingRules(limits.rules)
        report = ReplayReport(rules: limits.rules)
    }

    /// Plays every line of `input`, and tells what came of it.
    consuming func playAll(_ input: consuming EventInput) throws(Failure) -> ReplayOutcome {
        var splitter = LineSplitter()
        var progress = ReplayProgress()
        while true {
            // Whoever writes the events line by line sees the decisions line by line.
            if input.isDry { try settleAll() }
            guard let bytes = try input.read() else { break }
            try splitter.append(bytes) { (line) throws(Failure) in try play(line) }
            progress.update(lines: settled)
        }
        if let last = splitter.finish() { try play(last) }
        try settleAll()
        return ReplayOutcome(report: report, firstBad: firstBad)
    }

    /// Takes the next line. Waits while the window is full.
    private mutating func play(_ line: LineSplitter.Line) throws(Failure) {
        switch line {
        case .tooLong:
            pending.append(.bad("the line is longer than \(LineSplitter.longestLine) bytes"))
        case .whole(let bytes):
            let isBlank = bytes.allSatisfy { [UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r")].contains($0) }
            guard !isBlank else { return }
            do {
                let event = try EventLine(line: bytes)
                pending.append(.asked(event, question: questions))
                ask(event)
            } catch {
                pending.append(.bad(error.message))
            }
        }
        while pending.count - head >= Self.window { try settleFirst() }
    }

    /// Waits until everything asked is answered, and writes it out.
    private mutating func settleAll() throws(Failure) {
        while head < pending.count { try settleFirst() }
        try decisions?.flush()
    }

    private mutating func ask(_ event: EventLine) {
        let (answers, question) = (answers, questions)
        questions += 1
        client.send(event.wire, deadline: Self.deadline) { answers.put($0, number: question) }
    }

    private mutating func settleFirst() throws(Failure) {
        switch pending[head] {
        case .bad(let error):
            try settleBad(error)
        case .asked(let event, let question):
            switch answers.take(number: question) {
            case .success(let response):
                try settle(event, response)
            case .failure(.status(.invalidArgument, let message)):
                try settleBad(message)
            case .failure(let error):
                throw Failure(.internalFailure, "line \(settled) of the replay was not decided: \(error)")
            }
        }
        settled += 1
        head += 1
        if head == Self.window {
            pending.removeFirst(head)
            head = 0
        }
    }

    private mutating func settle(_ event: EventLine, _ response: WireCheckResponse) throws(Failure) {
        guard response.basis == .redis else {
            let basis = DecisionReport.name(of: response.basis)
            throw Failure(.internalFailure, "line \(settled) of the replay was decided by \(basis), not by Redis")
        }
        let normal = event.normalized(by: normalizers)
        report.add(normal, response, judging: response.duplicate ? [] : matching.judging(normal))
        try write(DecisionLine.decided(settled, response))
    }

    private mutating func settleBad(_ error: String) throws(Failure) {
        report.addBadLine()
        if firstBad == nil { firstBad = (settled, error) }
        try write(DecisionLine.bad(settled, error))
    }

    private mutating func write(_ decision: JSON) throws(Failure) {
        guard decisions != nil else { return }
        var line: [UInt8] = []
        decision.write(into: &line)
        line.append(UInt8(ascii: "\n"))
        try decisions?.write(line)
    }
}
