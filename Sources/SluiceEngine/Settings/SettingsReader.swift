import Configuration
import Foundation
import Logging
import NIOCore
import SluiceModel
import SluiceWire
import Yams

/// All that is wrong with a service's settings, a line each.
public struct SettingsError: Error, CustomStringConvertible {
    public var problems: [String]

    public var description: String { problems.joined(separator: "\n") }
}

/// Reads a service's settings: flags win over `SLUICE_...` variables, those over the settings file, that over defaults.
public struct SettingsReader {
    /// Every key, dotted as it nests in the file. `deadline.default` is the variable `SLUICE_DEADLINE_DEFAULT`.
    public static let keys = [
        "limits", "listen", "admin", "http", "redis", "state_dir", "threads", "instances", "clock", "log_level",
        "log_format", "reload.watch", "reload.spread", "dashboard.values",
        "deadline.default", "deadline.max", "keys.prefix",
        "bounds.payload_bytes", "bounds.in_flight_per_connection", "bounds.waiting_per_loop",
        "bounds.requests_per_run", "bounds.undos_per_loop", "bounds.runs_in_flight", "bounds.refusals_per_loop",
        "bounds.estimates_per_loop", "bounds.connections", "bounds.connections_per_loop", "bounds.connections_per_peer",
        "bounds.admin_connections", "bounds.unread_bytes", "bounds.fair_above",
        "timeouts.first_frame", "timeouts.frame", "timeouts.unread", "timeouts.idle", "timeouts.connection_age",
        "timeouts.drain",
        "redis_tls.ca", "redis_tls.certificate", "redis_tls.key", "redis_tls.server_name", "redis_tls.verify",
    ]
    private static let largestFile = 1 << 20
    private static let longestTimeoutMs: UInt64 = 90 * 86_400_000

    private let config: ConfigReader

    /// - Parameters:
    ///   - file: a YAML file of the keys above; nil: none.
    ///   - flags: by key.
    ///   - environment: of the process.
    public init(
        file: String?,
        flags: [String: String],
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(SettingsError) {
        let written = try file.map { (path) throws(SettingsError) in try Self.read(path) } ?? [:]
        config = ConfigReader(providers: [
            Self.provider("flags", flags),
            EnvironmentVariablesProvider(environmentVariables: environment),
            Self.provider("file", written),
        ])
    }

    private static func provider(_ name: String, _ values: [String: String]) -> InMemoryProvider {
        var keyed: [AbsoluteConfigKey: ConfigValue] = [:]
        for (key, value) in values {
            keyed[AbsoluteConfigKey(Self.key(key))] = ConfigValue(.string(value), isSecret: false)
        }
        return InMemoryProvider(name: name, values: keyed)
    }

    private static func key(_ key: String) -> ConfigKey {
        ConfigKey(["sluice"] + key.split(separator: ".").map(String.init))
    }

    // MARK: - The file

    private static func read(_ path: String) throws(SettingsError) -> [String: String] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw SettingsError(problems: ["\(path): cannot be read"])
        }
        guard data.count <= largestFile else { throw SettingsError(problems: ["\(path): larger than 1 MiB"]) }
        let root: Node?
        do {
            root = try compose(yaml: String(decoding: data, as: UTF8.self))
        } catch {
            // Yams quotes the line, which may hold a password.
            let line = (error as? YamlError).flatMap(Self.line(of:)).map { ":\($0)" } ?? ""
            throw SettingsError(problems: ["\(path)\(line): not valid YAML"])
        }
        var values: [String: String] = [:]
        var problems: [String] = []
        flatten(root, under: "", in: path, &values, &problems)
        guard problems.isEmpty else { throw SettingsError(problems: problems) }
        return values
    }

    private static func flatten(
        _ node: Node?,
        under parent: String,
        in path: String,
        _ values: inout [String: String],
        _ problems: inout [String]
    ) {
        guard let node else { return }
        guard case .mapping(let mapping) = node else {
            problems.append("\(path):\(position(node)): expected a mapping of settings")
            return
        }
        for (name, value) in mapping {
            let key = parent + (name.scalar?.string ?? "")
            if case .scalar(let scalar) = value, keys.contains(key) {
                values[key] = scalar.string
            } else if keys.contains(where: { $0.hasPrefix(key + ".") }) {
                flatten(value, under: key + ".", in: path, &values, &problems)
            } else if keys.contains(key) {
                problems.append("\(path):\(position(value)): \(key) takes one value")
            } else {
                let near = NearestSpelling.of(key, among: keys).map { "; did you mean \"\($0)\"?" } ?? ""
                problems.append("\(path):\(position(name)): unknown key \"\(key)\"\(near)")
            }
        }
    }

    private static func line(of error: YamlError) -> Int? {
        switch error {
        case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _): mark.line
        default: nil
        }
    }

    private static func position(_ node: Node) -> String {
        node.mark.map { "\($0.line):\($0.column)" } ?? "1:1"
    }

    // MARK: - Values

    /// The settings, checked.
    ///
    /// - Throws: all that is wrong at once.
    public func read() throws(SettingsError) -> ServiceSettings {
        var settings = ServiceSettings()
        var problems: [String] = []
        /// Reads one key through `parse`, which says what it expected when it returns nil.
        func take<T>(_ key: String, _ expected: String, _ parse: (String) throws -> T?, _ set: (T) -> Void) {
            guard let text = config.string(forKey: Self.key(key)) else { return }
            do {
                guard let value = try parse(text) else {
                    problems.append("\(key): expected \(expected)")
                    return
                }
                set(value)
            } catch {
                problems.append("\(key): \(error)")
            }
        }
        func takeCount(_ key: String, _ range: ClosedRange<Int>, _ set: (Int) -> Void) {
            take(
                key, "a number from \(range.lowerBound) to \(range.upperBound)",
                {
                    Int($0).flatMap { range.contains($0) ? $0 : nil }
                }, set)
        }
        func takeDuration(_ key: String, _ set: (TimeAmount) -> Void) {
            take(
                key, "a duration from 1ms to 1h",
                { text in
                    DurationText.parseMs(text).flatMap {
                        1...3_600_000 ~= $0 ? TimeAmount.milliseconds(Int64($0)) : nil
                    }
                }, set)
        }
        take("limits", "a path", { $0 }) { settings.limitsPath = $0.isEmpty ? nil : $0 }
        take("listen", "HOST:PORT or unix:PATH", { try Endpoint($0) }) { settings.listeners.data = $0 }
        take("admin", "unix:PATH or HOST:PORT", { try Endpoint($0) }) { settings.listeners.admin = $0 }
        take(
            "http", "HOST:PORT or off",
            { (text) -> Endpoint?? in
                text == "off" ? .some(nil) : .some(try Endpoint(text))
            }
        ) { settings.listeners.http = $0 }
        take(
            "redis", "a Redis URL",
            { $0 == "embedded" ? .embedded(keepsData: true) : .target(try RedisTarget(url: $0)) }
        ) {
            settings.redis = $0
        }
        var tls = RedisTLS.Settings()
        take("redis_tls.ca", "a path", Self.path) { tls.authorities = $0 }
        take("redis_tls.certificate", "a path", Self.path) { tls.certificate = $0 }
        take("redis_tls.key", "a path", Self.path) { tls.key = $0 }
        take("redis_tls.server_name", "a host name", Self.path) { tls.serverName = $0 }
        take("redis_tls.verify", "full or none", RedisTLS.Settings.Verification.init(rawValue:)) {
            tls.verification = $0
        }
        do throws(RedisTLS.Mistake) {
            settings.redis = try settings.redis.secured(by: tls)
        } catch {
            problems.append("redis_tls\(error.setting.isEmpty ? "" : ".")\(error.setting): \(error)")
        }
        take("state_dir", "a path", Self.path) { settings.stateDirectory = $0 }
        takeCount("threads", 1...64) { settings.threads = $0 }
        takeCount("instances", 1...10_000) { settings.instances = $0 }
        take("clock", "redis or request", ServiceSettings.Clock.init(rawValue:)) { settings.clock = $0 }
        takeDuration("deadline.default") { settings.deadlines.standard = $0 }
        takeDuration("deadline.max") { settings.deadlines.longest = $0 }
        if let standard = settings.deadlines.standard, standard > settings.deadlines.longest {
            problems.append("deadline.default: longer than deadline.max")
        }
        take("reload.watch", "true or false", { Bool($0) }) { settings.reloads.watch = $0 }
        take("reload.spread", "a duration from 0s to 1h", Self.spread) { settings.reloads.spread = $0 }
        take("dashboard.values", "masked or shown", { ["masked": false, "shown": true][$0] }) {
            settings.showsValues = $0
        }
        take("keys.prefix", "1 to 32 of a-z, A-Z, 0-9, _ and -", Self.keyPrefix) { settings.keyPrefix = $0 }
        takeCount("bounds.payload_bytes", 1_024...16_777_216) { settings.bounds.payloadBytes = UInt32($0) }
        takeCount("bounds.in_flight_per_connection", 1...65_536) { settings.bounds.inFlightPerConnection = $0 }
        takeCount("bounds.waiting_per_loop", 256...1_000_000) { settings.bounds.waitingPerLoop = $0 }
        takeCount("bounds.requests_per_run", 1...256) { settings.bounds.requestsPerRun = $0 }
        takeCount("bounds.undos_per_loop", 1...65_536) { settings.bounds.undosPerLoop = $0 }
        takeCount("bounds.runs_in_flight", 1...64) { settings.bounds.runsInFlight = $0 }
        takeCount("bounds.refusals_per_loop", 0...1_048_576) { settings.bounds.refusalsPerLoop = $0 }
        takeCount("bounds.estimates_per_loop", 8...1_048_576) { settings.bounds.estimatesPerLoop = $0 }
        // The former name of the bound, for each loop; the number of loops is known by now.
        takeCount("bounds.connections_per_loop", 1...100_000) { settings.bounds.connections = $0 * settings.threads }
        takeCount("bounds.connections", 1...1_000_000) { settings.bounds.connections = $0 }
        takeCount("bounds.connections_per_peer", 0...1_000_000) {
            settings.bounds.connectionsPerPeer = $0 == 0 ? .max : $0
        }
        takeCount("bounds.admin_connections", 1...10_000) { settings.bounds.adminConnections = $0 }
        takeCount("bounds.unread_bytes", 65_536...1_073_741_824) { settings.bounds.unreadBytes = $0 }
        takeCount("bounds.fair_above", 64...1_000_000) { settings.bounds.fairAbove = $0 }
        takeDuration("timeouts.first_frame") { settings.timeouts.firstFrame = $0 }
        takeDuration("timeouts.frame") { settings.timeouts.frame = $0 }
        takeDuration("timeouts.unread") { settings.timeouts.unread = $0 }
        take("timeouts.idle", "a duration from 1ms to 90d, or off", Self.timeout) { settings.timeouts.idle = $0 }
        take("timeouts.connection_age", "a duration from 1ms to 90d, or off", Self.timeout) {
            settings.timeouts.connectionAge = $0
        }
        takeDuration("timeouts.drain") { settings.timeouts.drain = $0 }
        guard problems.isEmpty else { throw SettingsError(problems: problems) }
        return settings
    }

    public func logLevel() throws(SettingsError) -> Logger.Level {
        let text = config.string(forKey: Self.key("log_level"), default: "info")
        guard let level = Logger.Level(rawValue: text) else {
            let levels = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
            throw SettingsError(problems: ["log_level: expected one of \(levels)"])
        }
        return level
    }

    public func logFormat() throws(SettingsError) -> ServiceSettings.LogFormat {
        let text = config.string(forKey: Self.key("log_format"), default: "text")
        guard let format = ServiceSettings.LogFormat(rawValue: text) else {
            throw SettingsError(problems: ["log_format: expected text or json"])
        }
        return format
    }
    private static func path(_ text: String) -> String? { text.isEmpty ? nil : text }

    private static func timeout(_ text: String) -> TimeAmount?? {
        if text == "off" { return .some(nil) }
        guard let ms = DurationText.parseMs(text), 1...longestTimeoutMs ~= ms else { return nil }
        return .some(.some(.milliseconds(Int64(ms))))
    }

    private static func spread(_ text: String) -> Duration? {
        if text == "0" || text == "0s" { return .zero }
        return DurationText.parseMs(text).flatMap { $0 <= 3_600_000 ? .milliseconds(Int64($0)) : nil }
    }

    private static func keyPrefix(_ text: String) -> String? {
        let isPlain = text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == "-") }
        return isPlain && 1...32 ~= text.utf8.count ? text : nil
    }
}
