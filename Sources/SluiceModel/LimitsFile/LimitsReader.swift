/// Turns the YAML of one set of files into rules, and goes on after every mistake to find the others.
///
/// A method that reads a node returns nil once it has reported why it could not; its caller then goes on with the
/// next thing and says nothing about the missing one.
final class LimitsReader {
    var report: LimitsReport
    var defaults = Defaults()
    var drafts: [RuleDraft] = []
    var declarations = DimensionDeclarations()
    var lists = ListedValues()
    var dimensions = DimensionUses()
    var guardrails = Guardrails()
    var guardrailsPosition: SourcePosition?
    /// The limits of the rule that is being read, and those of its overrides.
    var limitsOfRule: [PlacedLimit] = []
    private var namePositions: [String: SourcePosition] = [:]
    private var hasReportedTooManyRules = false
    private var files: [FileSummary] = []
    /// What names values, and so can be read only once every file has said how they are normalised.
    private var postponed: [(key: FileKey, node: YAMLNode)] = []

    /// What has to be known of all files before one of them can be called incomplete.
    private struct FileSummary {
        var position: SourcePosition
        /// Whether it says something that holds for all files.
        var servesOthers: Bool
        var lacksRules: Bool
    }

    enum FileKey: String, CaseIterable {
        case version, defaults, reload, dimensions, lists, rules
    }

    init(files: [String]) {
        self.report = LimitsReport(files: files)
    }

    func readFile(_ text: String, index: Int) {
        let start = SourcePosition(file: index, line: 1, column: 1)
        let (root, problems) = YAMLComposer.compose(text, file: index)
        for problem in problems {
            report.error(at: problem.position, problem.message)
        }
        guard let root, !root.isMissing else {
            if problems.isEmpty {
                report.error(at: start, "the file is empty; it needs \"version: 1\" and \"rules:\"")
            }
            return
        }
        // Text at the top of a file that is broken is the file's first line, broken as well.
        if case .scalar = root.content, !problems.isEmpty { return }
        guard let entries = entries(of: root, keys: FileKey.self, what: "a limits file") else { return }
        for entry in entries {
            switch entry.key {
            case .version: readVersion(entry.value)
            case .defaults: readDefaults(entry.value)
            case .reload: readGuardrails(entry.value, at: entry.position)
            case .dimensions: readDeclarations(entry.value)
            case .lists: postponed.append((.lists, entry.value))
            case .rules: postponed.append((.rules, entry.value))
            case nil: break
            }
        }
        guard root.isComplete else { return }
        let keys = Set(entries.compactMap(\.key))
        if !keys.contains(.version) {
            report.error(at: root.position, "missing \"version\"; begin the file with \"version: 1\"")
        }
        files.append(
            FileSummary(
                position: root.position, servesOthers: !keys.isSubset(of: [.version, .rules]),
                lacksRules: !keys.contains(.rules)))
    }

    /// The rules, in the order of the files, once every file has been read; none if anything is wrong.
    func finish() -> [Rule] {
        for (key, node) in postponed {
            if key == .lists { readLists(node) } else { readRules(node) }
        }
        // Beside files with rules, one may hold the defaults, the guardrails or the lists alone.
        let haveRules = files.contains { !$0.lacksRules }
        for file in files where file.lacksRules && !(haveRules && file.servesOthers) {
            report.error(at: file.position, "missing \"rules\", the list of rules; write \"rules: []\" for none")
        }
        checkActionLoads()
        for draft in drafts { checkReach(draft) }
        guard !report.hasErrors else { return [] }
        warnOfOverruledListings()
        for (position, message) in dimensions.suspects() { report.warning(at: position, message) }
        return drafts.compactMap { $0.rule(defaults) }
    }

    private func readVersion(_ node: YAMLNode) {
        if case .scalar("1", isPlain: true) = node.content { return }
        guard let version = text(node, name: "version") else { return }
        report.error(at: node.position, "only \"version: 1\" is known here, not \(quoted(version)); write 1, unquoted")
    }

    private func readRules(_ node: YAMLNode) {
        guard let items = list(node, name: "rules", hint: "; begin each rule with \"- name: ...\"") else { return }
        for item in items {
            guard drafts.count < Caps.rules else {
                if !hasReportedTooManyRules {
                    report.error(at: item.position, "more than 1000 rules; this is the first one too many")
                }
                hasReportedTooManyRules = true
                return
            }
            guard var draft = readRule(item) else { continue }
            if let name = draft.name, let position = draft.namePosition {
                if let first = namePositions[name] {
                    let place = report.place(first, seenFrom: position)
                    report.error(at: position, "duplicate rule name \(quoted(name)), first used in \(place)")
                    draft.name = nil
                } else {
                    namePositions[name] = position
                }
            }
            drafts.append(draft)
        }
    }
}
