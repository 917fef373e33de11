import Foundation
import SluiceClient
import SluiceWire
import Testing

/// The dashboard of a real service, in a real browser.
@Suite(.serialized) struct DashboardTests {
    private static let hostile = "<script>document.title='owned'</script><img src=x onerror=document.title='owned'>"
    private static let user = "a-user-nobody-may-see-17"

    private static let limits = """
        version: 1
        rules:
          - name: logins
            check: login
            per: [user]
            owner: "\(hostile)"
            limits:
              - { max: 3, window: 10m, verdict: challenge }
              - { max: 5, window: 10m }
          - name: tried
            check: login
            per: [user]
            shadow: true
            limits: [ { max: 2, window: 10m } ]
          - name: untouched
            check: checkout
            per: [merchant, user]
            on_redis_failure: deny
            limits: [ { max: 60, window: 1m } ]

        """

    /// Twelve logins of one user: three allowed, two challenged, seven denied, by Redis or by its last word.
    private func sendLogins(to service: RunningService) async throws {
        var configuration = SluiceClient.Configuration(endpoint: try Endpoint(service.address("data")))
        configuration.deadline = .seconds(1)
        let client = SluiceClient(configuration)
        var verdicts: [WireVerdict] = []
        for _ in 0..<12 {
            let request = WireCheckRequest(action: "login", entities: [WireEntity("user", Self.user)])
            let answer = try await client.check(request)
            #expect(answer.basis == .redis || answer.basis == .cache)
            verdicts.append(answer.verdict)
        }
        await client.shutdown()
        #expect(verdicts == [.allow, .allow, .allow, .challenge, .challenge] + Array(repeating: .deny, count: 7))
    }

    /// The page of a service that has decided twelve logins, once it shows them.
    private func openPage(of service: RunningService) async throws -> Browser {
        try await sendLogins(to: service)
        let browser = try Browser()
        try browser.prefer(scheme: "light")
        try browser.open("http://\(service.address("http"))/")
        try browser.wait("document.body.dataset.state === 'live'")
        try browser.wait("document.querySelector('#service-facts [data-fact=Deny]').textContent === '7'")
        return browser
    }

    /// The cells of a rule's row, its limits with their trips last.
    private func row(_ rule: String, in browser: Browser) throws -> [String] {
        let texts = """
            [...document.querySelectorAll('tr[data-rule="\(rule)"] .num:not(.recent), tr[data-rule="\(rule)"] .limit')]
              .map((node) => [...node.childNodes].map((part) => part.textContent).join(' ')).join('\\n')
            """
        let plain = try browser.text(texts).replacing("\u{A0}", with: " ")
        return plain.split(separator: "\n").map(String.init).sorted()
    }

    @Test("The numbers on the page are those of the traffic, and nothing on it comes from elsewhere")
    func numbers() async throws {
        let service = try RunningService(limits: Self.limits)
        let browser = try await openPage(of: service)
        func fact(_ name: String) throws -> String {
            try browser.text("document.querySelector('#service-facts [data-fact=\"\(name)\"]').textContent")
        }
        #expect(try ["Allow", "Review", "Challenge", "Deny"].map(fact) == ["3", "0", "2", "7"])
        #expect(try ["By policy", "Shed", "Protocol errors"].map(fact) == ["0", "0", "0"])
        #expect(try ["By Redis", "By cache"].map { Int(try fact($0)) ?? 0 }.reduce(0, +) == 12)
        #expect(try browser.text("document.querySelector('#redis-facts [data-fact=State]').textContent") == "connected")
        #expect(try browser.text("document.querySelector('#file-facts [data-fact=Generation]').textContent") == "1")
        #expect(try browser.text("document.getElementById('alerts').children.length") == "0")

        #expect(
            try row("logins", in: browser)
                == ["12", "3 per 10m challenge 9", "5 per 10m deny 7", "7", "75 %", "9"].sorted())
        #expect(try row("tried", in: browser) == ["10", "12", "2 per 10m deny 10", "83 %"].sorted())
        #expect(try row("untouched", in: browser) == ["0", "0", "0 %", "60 per 1m deny 0"].sorted())
        // Most trips first.
        try browser.wait("document.querySelector('#rules tbody tr').dataset.rule === 'tried'")
        #expect(try browser.text("document.querySelectorAll('#rules .badge').length") == "1")
        try browser.wait("document.querySelector('tr[data-rule=logins] .spark path').getAttribute('d') !== ''")

        // The seconds of the traffic are on the chart once they are over.
        try browser.wait("seconds.reduce((sum, second) => sum + second.deny, 0) === 7")
        try browser.wait("document.querySelectorAll('#decisions .area').length === 3")

        let seen = try browser.seen()
        #expect(seen.errors == [])
        let origin = "http://\(service.address("http"))/"
        #expect(seen.requests.contains(origin) && seen.requests.contains(origin + "api/status"))
        #expect(seen.requests.allSatisfy { $0.hasPrefix(origin) || $0.hasPrefix("data:") }, "\(seen.requests)")

        let file = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-dashboard.png")
        try browser.screenshot(file.path)
        #expect(try Data(contentsOf: file).starts(with: [0x89, 0x50, 0x4E, 0x47]))
    }

    @Test("Foreign text stands on the page as text, and an entity's value not at all")
    func foreignText() async throws {
        let service = try RunningService(limits: Self.limits)
        let browser = try await openPage(of: service)
        let about = try browser.text("document.querySelector('tr[data-rule=logins] .about').textContent")
        #expect(about.hasSuffix(Self.hostile))
        #expect(try browser.text("document.querySelectorAll('main script, main img').length") == "0")
        #expect(try browser.text("document.title") != "owned")

        try browser.wait("document.querySelector('#refused .bar') !== null")
        let value = try browser.text("document.querySelector('#refused .bar').textContent")
        #expect(value.hasPrefix("a…7 (#"))
        #expect(try browser.text("document.getElementById('entities-about').textContent").hasSuffix("values masked"))
        #expect(try !browser.text("document.documentElement.outerHTML").contains(Self.user))
    }

    @Test("Every second of the chart can be read with the keyboard, and they add up")
    func chart() async throws {
        let service = try RunningService(limits: Self.limits)
        let browser = try await openPage(of: service)
        try browser.wait("seconds.length > 2 && seconds.reduce((sum, second) => sum + second.deny, 0) === 7")
        _ = try browser.text("document.querySelector('#decisions .plot').focus()")
        try browser.press("End")
        var denied: [Substring: Int] = [:]
        for _ in 0..<30 {
            let words = try browser.text("document.querySelector('#decisions .plot').getAttribute('aria-valuetext')")
                .split(separator: ", ")
            let count = words.first { $0.hasPrefix("Deny ") }.flatMap { Int($0.dropFirst(5)) }
            denied[try #require(words.first?.prefix(8))] = count
            try browser.press("ArrowLeft")
        }
        #expect(denied.count > 1)
        #expect(denied.values.reduce(0, +) == 7)
        #expect(try browser.text("document.querySelectorAll('.cursor').length") == "2")
        try browser.press("Escape")
        #expect(try browser.text("document.querySelectorAll('.cursor').length") == "0")
        // The service is a few seconds old, so its seconds are at the right edge.
        let edge = try browser.text("document.querySelector('#decisions svg').getBoundingClientRect().right")
        try browser.move(x: Int(try #require(Double(edge))) - 7, y: 250)
        try browser.wait("!document.querySelector('#decisions .tip').hidden")
        #expect(try browser.text("document.querySelector('#decisions .tip').textContent").contains("Redis p99"))
    }

    @Test("Light and dark follow the system until one is chosen, and the choice is remembered")
    func themes() async throws {
        let service = try RunningService(limits: Self.limits)
        let browser = try Browser()
        let page = "http://\(service.address("http"))/"
        func background() throws -> String { try browser.text("getComputedStyle(document.body).backgroundColor") }

        try browser.prefer(scheme: "light")
        try browser.open(page)
        let light = try background()
        try browser.prefer(scheme: "dark")
        let dark = try background()
        #expect(light != dark)
        _ = try browser.text("document.getElementById('theme').click()")
        #expect(try background() == light)
        try browser.open(page, width: 390, height: 844)
        #expect(try browser.text("document.documentElement.dataset.theme") == "light")
        #expect(try background() == light)
        try browser.wait("document.body.dataset.state === 'live'")
        #expect(try browser.text("document.documentElement.scrollWidth") == "390", "a phone scrolls downwards only")
        try browser.wait("document.querySelector('#decisions .empty').checkVisibility()")
    }

    @Test("A service that is gone leaves its last numbers, and the page says how old they are")
    func stale() async throws {
        let service = try RunningService(limits: Self.limits)
        let browser = try await openPage(of: service)
        _ = service.stop()
        try browser.wait("document.body.dataset.state === 'stale'")
        #expect(try browser.text("document.getElementById('alerts').textContent").contains("Not since "))
        #expect(try browser.text("document.title").contains("no answer"))
        #expect(try browser.text("document.querySelectorAll('tr[data-rule]').length") == "3")
        try browser.wait("getComputedStyle(document.querySelector('main')).opacity !== '1'")
    }

    @Test("A bad reload, a Redis that does not decide and a thousand rules are shown as what they are")
    func states() async throws {
        let service = try RunningService(limits: Self.limits)
        let browser = try await openPage(of: service)
        // From here on the page reads this service's status with something changed in it.
        func change(_ words: String) throws {
            _ = try browser.text(
                """
                (window.realFetch ??= window.fetch, window.fetch = async (...call) => {
                  const status = await (await window.realFetch(...call)).json();
                  \(words)
                  return new Response(JSON.stringify(status));
                })
                """)
        }
        func alert(saying words: String) throws {
            try browser.wait("document.getElementById('alerts').textContent.includes(\"\(words)\")")
        }
        try change(
            "status.last_reload = { at_ms: status.now_ms, outcome: 'bad_file', errors: ['limits.yaml:3:1: <b>no</b>'] };"
        )
        try alert(saying: "limits.yaml:3:1: <b>no</b>")
        try alert(saying: "Generation 1 stays in force")

        try change("status.last_reload.outcome = 'refused'; status.redis.connected = false;")
        try alert(saying: "The last reload was refused.")
        try alert(saying: "Redis is not connected.")

        try change(
            """
            const last = status.seconds.filter((second) => second.at_ms + 1000 <= status.now_ms).at(-1);
            last.allow = last.policy = 500;
            """)
        try alert(saying: "Redis is not deciding")
        #expect(try browser.text("document.querySelectorAll('#decisions .policy').length") == "1")

        try change(
            """
            const [rule] = status.rules;
            status.rules = [...Array(1000).keys()].map((number) => ({ ...rule, name: 'rule-' + number }));
            """)
        try browser.wait("document.querySelectorAll('#rules tbody tr').length === 100")
        try browser.press("/")
        for key in ["7", "7", "7"] { try browser.press(key) }
        try browser.wait("document.querySelectorAll('#rules tbody tr').length === 1")
        #expect(try browser.text("document.querySelector('#rules tbody tr').dataset.rule") == "rule-777")

        try change("status.rules = [];")
        try alert(saying: "No rules in force.")
        #expect(try browser.seen().errors == [])
    }
}
