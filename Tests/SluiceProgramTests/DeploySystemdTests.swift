import Foundation
import TestSupport
import Testing

@Suite("Under systemd", .timeLimit(.minutes(2)))
struct DeploySystemdTests {
    private static let unit = "deploy/systemd/sluiced.service"
    private static let systemdAnalyze = Program.onPath("systemd-analyze")
    private static let limits = """
        version: 1
        rules: [ { name: a, check: a, per: [user], limits: [ { max: 1, window: 1m } ] } ]

        """

    private static func start(
        _ socket: DatagramSocket,
        _ more: [String: String] = [:],
        watch: Bool = false
    ) async throws -> ServiceProcess {
        var environment = ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "", "NOTIFY_SOCKET": socket.name]
        environment.merge(more) { $1 }
        return try await ServiceProcess.start(
            limits: limits, settings: "reload: { watch: \(watch), spread: 0s }\n", environment: environment)
    }

    /// Whether something accepts connections there.
    private static func answers(_ address: String) throws -> Bool {
        let status = try Program.sluice.run(["stats", "--json", "--admin", address]).status
        return status == 0
    }

    @Test("systemd hears READY once the listeners answer, and STOPPING when the service is told to end")
    func lifecycle() async throws {
        let socket = try DatagramSocket()
        let service = try await Self.start(socket)
        #expect(socket.next() == ["READY=1", "STATUS=serving, generation 1"])
        #expect(try Self.answers(service.address("admin")))
        service.signal(SIGTERM)
        #expect(socket.next() == ["STOPPING=1", "STATUS=draining"])
        #expect(await service.exitStatus() == 0)
        #expect(socket.next(within: 0.1) == nil)
    }

    @Test("A reload is announced, and its end says what became of it")
    func reload() async throws {
        let socket = try DatagramSocket(abstract: true)
        let service = try await Self.start(socket)
        #expect(socket.next()?.first == "READY=1")
        service.signal(SIGHUP)
        #expect(socket.next()?.first == "RELOADING=1")
        #expect(socket.next() == ["READY=1", "STATUS=serving, generation 2"])
        try Data("version: 2\n".utf8).write(to: URL(fileURLWithPath: "\(service.folder)/limits.yaml"))
        service.signal(SIGHUP)
        #expect(socket.next()?.first == "RELOADING=1")
        #expect(socket.next() == ["READY=1", "STATUS=serving, generation 2, the last reload failed"])
    }

    @Test("An edit that is noticed is told of when it is in force, and a look that finds nothing new is not")
    func watched() async throws {
        let socket = try DatagramSocket()
        let service = try await Self.start(socket, watch: true)
        #expect(socket.next()?.first == "READY=1")
        // The first looks happen within this.
        #expect(socket.next(within: 1.5) == nil)
        let edited = Self.limits.replacing("max: 1", with: "max: 2")
        try Data(edited.utf8).write(to: URL(fileURLWithPath: "\(service.folder)/limits.yaml"))
        #expect(socket.next() == ["READY=1", "STATUS=serving, generation 2"])
    }

    @Test("It gives signs of life while its event loops turn, and a frozen process gives none")
    func watchdog() async throws {
        let socket = try DatagramSocket()
        let service = try await Self.start(socket, ["WATCHDOG_USEC": "200000"])
        var signs = 0
        for _ in 0..<6 where socket.next() == ["WATCHDOG=1"] { signs += 1 }
        #expect(signs >= 4)
        service.signal(SIGSTOP)
        while socket.next(within: 0.05) != nil {}
        #expect(socket.next(within: 0.5) == nil)
        service.signal(SIGCONT)
        #expect(socket.next() == ["WATCHDOG=1"])
    }

    @Test("Where nobody listens it serves all the same, and says so once")
    func nobody() async throws {
        let environment = ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "", "NOTIFY_SOCKET": "/nowhere"]
        let service = try await ServiceProcess.start(limits: Self.limits, environment: environment)
        service.signal(SIGTERM)
        #expect(await service.exitStatus() == 0)
        let complaints = service.log.split(separator: "\n").filter { $0.contains("systemd cannot be told") }
        #expect(complaints.count == 1)
    }

    // MARK: - The unit

    @Test(
        "The unit's exposure is at most 1.5 of 10, as systemd counts it",
        .enabled(if: systemdAnalyze != nil, "systemd-analyze is not here: it comes with systemd"))
    func exposure() throws {
        let outcome = try #require(Self.systemdAnalyze).run(
            ["security", "--offline=true", "--no-pager", DeployedFiles.path(Self.unit)])
        let level = outcome.output.firstMatch(of: /Overall exposure level for sluiced\.service: ([0-9.]+)/)
        #expect(try #require(level.flatMap { Double($0.output.1) }, "\(outcome.errors)") <= 1.5)
    }

    @Test(
        "systemd finds nothing wrong with the unit",
        .enabled(if: systemdAnalyze != nil, "systemd-analyze is not here: it comes with systemd"))
    func verify() throws {
        let folder = try TemporaryFolder()
        let text = try DeployedFiles.text(Self.unit)
            .replacing("/usr/bin/sluiced", with: Program.sluiced.executable.path)
        let outcome = try #require(Self.systemdAnalyze).run(["verify", try folder.file("sluiced.service", text)])
        #expect(outcome.errorLines.filter { $0.contains("sluiced.service") } == [])
        #expect(outcome.status == 0)
    }

    @Test("A stop may take longer than a drain, and no password stands in the unit")
    func unitText() throws {
        let text = try DeployedFiles.text(Self.unit)
        let stop = text.firstMatch(of: /\nTimeoutStopSec=([0-9]+)\n/).flatMap { Int($0.output.1) }
        #expect(try #require(stop) > 15)
        #expect(text.contains("\nEnvironmentFile=-/etc/sluice/sluiced.env\n"))
        #expect(text.matches(of: /rediss?:\/\//).count == 1, "the comment that shows the form")
    }
}
