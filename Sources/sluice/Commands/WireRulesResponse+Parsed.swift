import SluiceModel
import SluiceWire

extension WireRulesResponse {
    /// The limits; nil where the service runs some that this program's version cannot read.
    var parsedFile: LimitsFile? { try? LimitsFile.parse(sources).file }

    /// The rules in file order; nil as above.
    var parsedRules: [Rule]? { parsedFile?.rules }

    /// A directory comes as the texts of its files, each under a comment line with its name.
    private var sources: [LimitsFile.Source] {
        let mark = "# ---- "
        guard yaml.hasPrefix(mark) else { return [.init(name: source, text: yaml)] }
        var sources: [LimitsFile.Source] = []
        for line in yaml.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix(mark) {
                sources.append(.init(name: String(line.dropFirst(mark.count)), text: ""))
            } else {
                sources[sources.count - 1].text += "\(line)\n"
            }
        }
        return sources
    }
}
