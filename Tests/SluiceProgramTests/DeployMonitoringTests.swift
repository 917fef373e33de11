import Foundation
import Testing

@Suite("Prometheus rules and the Grafana dashboard", .timeLimit(.minutes(2)))
struct DeployMonitoringTests {
    private static let rules = "deploy/prometheus/sluice.rules.yaml"

    private static func promtool(_ arguments: String...) throws -> Program.Outcome {
        try DeployedFiles.required("promtool", package: "prometheus").run(arguments)
    }

    private let allRules: [JSONValue]
    private let recorded: Set<String>
    private let metrics: Set<Substring>

    init() throws {
        let groups = try #require(try DeployedFiles.yaml(Self.rules)[0]["groups"]?.elements)
        allRules = groups.flatMap { $0["rules"]?.elements ?? [] }
        recorded = Set(allRules.compactMap { $0["record"]?.string })
        metrics = try DeployedFiles.metrics()
    }

    /// The names in an expression that are neither a metric of the service nor a recording rule.
    private func strangers(in expression: String) -> [Substring] {
        // What stands in quotes is a label's value.
        let names = expression.replacing(/"[^"]*"/, with: "").matches(of: /[a-zA-Z_:][a-zA-Z0-9_:]*/).map(\.output)
        return names.filter { name in
            if name.contains(":") { return !recorded.contains(String(name)) }
            guard name.hasPrefix("sluice_") || name.hasPrefix("process_") else { return false }
            return !metrics.contains(name.replacing(/_(bucket|sum|count)$/, with: "")) && !metrics.contains(name)
        }
    }

    @Test("promtool accepts the rules, and each fires where it should and stays silent where it should")
    func rules() throws {
        let check = try Self.promtool("check", "rules", DeployedFiles.path(Self.rules))
        #expect(check.status == 0, "\(check.output)\(check.errors)")
        let test = try Self.promtool("test", "rules", DeployedFiles.path("deploy/prometheus/sluice.rules.test.yaml"))
        #expect(test.status == 0, "\(test.output)\(test.errors)")
    }

    @Test("Every rule has a test, and reads only metrics that the service has")
    func coverage() throws {
        let tests = try DeployedFiles.text("deploy/prometheus/sluice.rules.test.yaml")
        for rule in allRules {
            let name = try #require(rule["alert"]?.string ?? rule["record"]?.string)
            #expect(tests.contains("alertname: \(name)\n") || tests.contains("expr: \(name)\n"), "\(name)")
            let expression = try #require(rule["expr"]?.string)
            #expect(strangers(in: expression) == [], "\(name)")
        }
    }

    @Test("Every alert has a severity, a summary and a section of the operations page")
    func runbooks() throws {
        let page = try DeployedFiles.text("docs/operations.md")
        for alert in allRules where alert["alert"] != nil {
            let name = try #require(alert["alert"]?.string)
            #expect(["page", "ticket"].contains(alert["labels"]?["severity"]?.string), "\(name)")
            #expect(alert["annotations"]?["summary"]?.string?.isEmpty == false, "\(name)")
            #expect(alert["annotations"]?["runbook"]?.string == "docs/operations.md#\(name.lowercased())")
            let hasSection = page.contains("\n### \(name)\n")
            #expect(hasSection, "\(name)")
        }
        let sections = page.matches(of: /\n### (Sluice[A-Za-z]+)\n/).map { String($0.output.1) }
        #expect(Set(sections) == Set(allRules.compactMap { $0["alert"]?.string }))
    }

    @Test("Every link within the operations page leads to a section of it")
    func links() throws {
        let page = try DeployedFiles.text("docs/operations.md")
        let prose = page.replacing(/(?s)```.*?```/, with: "")
        let sections = Set(
            prose.matches(of: /\n#+ ([^\n]+)/).map { heading in
                heading.output.1.lowercased().filter { $0.isLetter || $0.isNumber || $0 == " " || $0 == "-" }
                    .replacing(" ", with: "-")
            })
        let links = prose.matches(of: /\]\(#([^)]+)\)/).map { String($0.output.1) }
        #expect(links.count > 20)
        #expect(Set(links).subtracting(sections) == [])
    }

    @Test("promtool parses every expression of the dashboard, and each reads metrics that the service has")
    func dashboard() throws {
        let dashboard = try JSONValue(try DeployedFiles.text("deploy/grafana/sluice.json"))
        let expressions = dashboard.strings(under: "expr")
        #expect(expressions.count > 40)
        var file = "groups:\n- name: dashboard\n  rules:\n"
        for (index, expression) in expressions.enumerated() {
            #expect(strangers(in: expression) == [], "\(expression)")
            let plain = expression.replacing("$__rate_interval", with: "5m").replacing(/\$(instance|rule)/, with: ".*")
            #expect(!plain.contains("$"), "\(expression)")
            file += "  - record: dashboard:expression_\(index)\n    expr: '\(plain)'\n"
        }
        let folder = try TemporaryFolder()
        let check = try Self.promtool("check", "rules", try folder.file("dashboard.yaml", file))
        #expect(check.status == 0, "\(check.output)\(check.errors)")
        for query in dashboard.strings(under: "definition") {
            #expect(strangers(in: query) == [])
        }
    }

    @Test("The dashboard has its variables, a title on every panel, an id of its own, and no two in one place")
    func panels() throws {
        let dashboard = try JSONValue(try DeployedFiles.text("deploy/grafana/sluice.json"))
        let variables = dashboard["templating"]?["list"]?.elements?.compactMap { $0["name"]?.string }
        #expect(variables == ["datasource", "instance", "rule"])
        let panels = try #require(dashboard["panels"]?.elements)
        #expect(Set(panels.map { $0["id"] }).count == panels.count)
        var taken: Set<[Int]> = []
        for panel in panels {
            #expect(panel["title"]?.string?.isEmpty == false)
            let place = try ["x", "y", "w", "h"].map { try #require(panel["gridPos"]?[$0]?.integer) }
            #expect(place[0] + place[2] <= 24)
            for x in place[0]..<place[0] + place[2] {
                for y in place[1]..<place[1] + place[3] {
                    #expect(taken.insert([x, y]).inserted, "\(panel["title"]!)")
                }
            }
        }
    }
}

extension JSONValue {
    var elements: [JSONValue]? {
        guard case .list(let values) = self else { return nil }
        return values
    }

    var string: String? {
        guard case .text(let text) = self else { return nil }
        return text
    }

    var integer: Int? {
        guard case .number(let number) = self else { return nil }
        return Int(exactly: number)
    }

    /// Every text that is the value of `key`, at any depth.
    func strings(under key: String) -> [String] {
        switch self {
        case .list(let values): values.flatMap { $0.strings(under: key) }
        case .object(let members):
            members.flatMap { name, value in
                (name == key ? value.string.map { [$0] } : nil) ?? value.strings(under: key)
            }
        default: []
        }
    }
}
