import ArgumentParser
import Foundation
import Logging
import ServiceLifecycle
import SluiceEngine
import SluiceModel

/// The service. Everything has a default: without any flag it runs on loopback with a private Redis and no rules.
@main
struct Sluiced: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sluiced",
        abstract: "Decides requests against sliding-window limits kept in Redis.",
        discussion: """
            Without --redis it starts a private redis-server on a Unix socket in the state directory and ends it with \
            itself. When it can answer it prints one line on standard output:

              ready data=HOST:PORT admin=unix:PATH http=HOST:PORT redis=embedded generation=1

            A port of 0 takes a free one, and the line tells which. SIGTERM and SIGINT drain: clients are told to go \
            elsewhere, what was read is answered, then it exits 0.

            Examples:
              sluiced --limits deploy/limits.yaml
              sluiced --limits /etc/sluice --redis redis://limiter:secret@10.0.0.7:6379/2 --threads 2
              sluiced --config /etc/sluiced.yaml

            Exit codes: 0 drained, 64 usage, 65 a bad limits or settings file, 69 no Redis to start or no address to \
            listen on.
            """
    )

    @Option(
        help: ArgumentHelp(
            "Settings file (YAML). Flags win over SLUICE_... variables, those over the file.", valueName: "FILE"),
        completion: .file(extensions: ["yaml", "yml"]))
    var config: String?
    @Option(
        help: ArgumentHelp("Limits file, or a directory of *.yaml read as one.", valueName: "PATH"),
        completion: .file())
    var limits: String?
    @Option(help: ArgumentHelp("Where clients connect (default 127.0.0.1:7400).", valueName: "HOST:PORT|unix:PATH"))
    var listen: String?
    @Option(
        help: ArgumentHelp(
            "Where operators connect (default unix:STATE_DIR/admin.sock).", valueName: "unix:PATH|HOST:PORT"))
    var admin: String?
    @Option(help: ArgumentHelp("Health over HTTP (default 127.0.0.1:7401); `off` for none.", valueName: "HOST:PORT"))
    var http: String?
    @Option(help: ArgumentHelp("redis://[user:password@]host[:port][/db] or unix:///path[?db=N].", valueName: "URL"))
    var redis: String?
    @Option(
        help: ArgumentHelp("Sockets and the private Redis live here.", valueName: "DIR"), completion: .directory)
    var stateDir: String?
    @Option(help: ArgumentHelp("Event loops, each with its own Redis connection (1 to 64, default 1).", valueName: "N"))
    var threads: Int?
    @Option(
        help: ArgumentHelp("Whose clock windows go by: redis, or request for replays.", valueName: "redis|request"),
        completion: .list(["redis", "request"]))
    var clock: String?
    @Option(
        help: ArgumentHelp(
            "trace, debug, info, notice, warning, error or critical (default info).", valueName: "LEVEL"),
        completion: .list(["trace", "debug", "info", "notice", "warning", "error", "critical"])
    )
    var logLevel: String?
    @Option(
        help: ArgumentHelp("One line of text, or of JSON, for each event (default text).", valueName: "text|json"),
        completion: .list(["text", "json"]))
    var logFormat: String?

    func run() async throws {
        var settings: ServiceSettings
        var logger: Logger
        do throws(SettingsError) {
            let reader = try SettingsReader(file: config, flags: flags)
            settings = try reader.read()
            let format = try reader.logFormat()
            let level = try reader.logLevel()
            LoggingSystem.bootstrap { LineLogHandler(label: $0, format: format) }
            logger = Logger(label: "sluiced")
            logger.logLevel = level
        } catch {
            Self.fail(error.description, .dataError)
        }
        settings.supervisor = SystemdNotifier(logger: logger)
        let rules = Self.load(settings.limitsPath, logger)
        let service = SluiceService(settings: settings, rules: rules, logger: logger) { addresses in
            // Whoever waits for this line may read it through a pipe: it goes out at once, past any buffer.
            FileHandle.standardOutput.write(Data((addresses.readyLine + "\n").utf8))
        }
        // The group's own lines are about services inside this one; nobody outside asks for them.
        var quiet = logger
        quiet.logLevel = .error
        let group = ServiceGroup(
            configuration: .init(
                services: [service],
                gracefulShutdownSignals: [.sigterm, .sigint],
                logger: quiet
            )
        )
        do {
            try await group.run()
        } catch let error as ListenError {
            Self.fail(error.description, .unavailable)
        } catch let error as EmbeddedRedisError {
            Self.fail(error.description, .unavailable)
        }
    }

    /// Flags by the settings they set.
    private var flags: [String: String] {
        let all: [String: String?] = [
            "limits": limits, "listen": listen, "admin": admin, "http": http, "redis": redis, "state_dir": stateDir,
            "threads": threads.map(String.init), "clock": clock, "log_level": logLevel,
            "log_format": logFormat,
        ]
        return all.compactMapValues { $0 }
    }

    private static func load(_ path: String?, _ logger: Logger) -> LimitsPath.Loaded? {
        guard let path else {
            logger.warning("no limits file: everything is allowed; give one with --limits")
            return nil
        }
        do throws(LimitsFileError) {
            let loaded = try LimitsPath(path).load()
            for warning in loaded.warnings { logger.warning("\(warning)") }
            return loaded
        } catch {
            fail(error.description, .dataError)
        }
    }

    /// sysexits(3).
    private enum Failure: Int32 {
        case dataError = 65
        case unavailable = 69
    }

    private static func fail(_ message: String, _ failure: Failure) -> Never {
        FileHandle.standardError.write(Data((message + "\n").utf8))
        Foundation.exit(failure.rawValue)
    }
}
