import Foundation
import NIOCore
import SluiceEngine
import SluiceWire
import TestSupport
import Testing

@Suite("A service's settings")
final class SettingsReaderTests {
    private let path = "/tmp/sluice-settings-\(UUID().uuidString.prefix(8)).yaml"

    deinit { try? FileManager.default.removeItem(atPath: path) }

    private func read(
        _ file: String? = nil,
        flags: [String: String] = [:],
        environment: [String: String] = [:]
    ) throws -> ServiceSettings {
        if let file { try Data(file.utf8).write(to: URL(fileURLWithPath: path)) }
        return try SettingsReader(file: file == nil ? nil : path, flags: flags, environment: environment).read()
    }

    private func problems(_ file: String? = nil, flags: [String: String] = [:], environment: [String: String] = [:])
        -> [String]
    {
        do {
            _ = try read(file, flags: flags, environment: environment)
            return []
        } catch {
            return (error as? SettingsError)?.problems.map { $0.replacing(path, with: "FILE") } ?? ["\(error)"]
        }
    }

    @Test("Flags win over the environment, that over the file, that over the defaults")
    func precedence() throws {
        let file = "threads: 2\nclock: request\ndeadline: { default: 20ms, max: 2s }\nkeys: { prefix: file }\n"
        let environment = ["SLUICE_THREADS": "3", "SLUICE_DEADLINE_DEFAULT": "30ms", "SLUICE_LISTEN": "127.0.0.1:1"]
        let settings = try read(file, flags: ["threads": "4"], environment: environment)
        #expect(settings.threads == 4)
        #expect(settings.deadlines.standard == .milliseconds(30))
        #expect(settings.deadlines.longest == .seconds(2))
        #expect(settings.clock == .request)
        #expect(settings.keyPrefix == "file")
        #expect(settings.listeners.data == .tcp(host: "127.0.0.1", port: 1))
        #expect(settings.listeners.http == .tcp(host: "127.0.0.1", port: 7401))
        #expect(settings.bounds.requestsPerRun == ServiceSettings.Bounds().requestsPerRun)
    }

    @Test("Every key can be set, in the file and in the environment")
    func everyKey() throws {
        let certificates = try TestCertificates()
        let values = [
            "limits": "/l", "listen": "unix:/d", "admin": "127.0.0.1:2", "http": "off", "redis": "rediss://h:1/2",
            "state_dir": "/s", "threads": "5", "clock": "request", "deadline.default": "7ms", "deadline.max": "9ms",
            "keys.prefix": "pre", "bounds.payload_bytes": "2048", "bounds.in_flight_per_connection": "11",
            "bounds.waiting_per_loop": "300", "bounds.requests_per_run": "13", "bounds.runs_in_flight": "14",
            "bounds.undos_per_loop": "16", "bounds.refusals_per_loop": "17",
            "bounds.estimates_per_loop": "21", "instances": "22",
            "bounds.connections_per_loop": "15", "bounds.connections": "18", "bounds.connections_per_peer": "19",
            "bounds.admin_connections": "20", "bounds.unread_bytes": "70000", "bounds.fair_above": "72",
            "timeouts.first_frame": "1s", "timeouts.frame": "2s", "timeouts.unread": "3s", "timeouts.idle": "4s",
            "timeouts.connection_age": "5s", "timeouts.drain": "6s", "reload.watch": "false", "reload.spread": "3s",
            "dashboard.values": "shown", "redis_tls.ca": certificates.authority,
            "redis_tls.certificate": certificates.client.certificate, "redis_tls.key": certificates.client.key,
            "redis_tls.server_name": "n", "redis_tls.verify": "none",
        ]
        #expect(Set(values.keys).union(["log_level", "log_format"]) == Set(SettingsReader.keys))
        let variables = Dictionary(
            uniqueKeysWithValues: values.map {
                ("SLUICE_" + $0.uppercased().replacing(".", with: "_"), $1)
            })
        let nested = Dictionary(grouping: values.filter { $0.key.contains(".") }) { $0.key.prefix { $0 != "." } }
        var file = values.filter { !$0.key.contains(".") }.map { "\($0): \"\($1)\"\n" }.joined()
        for (section, entries) in nested {
            file +=
                "\(section):\n" + entries.map { "  \($0.key.dropFirst(section.count + 1)): \"\($0.value)\"\n" }.joined()
        }
        for settings in [try read(file), try read(environment: variables), try read(flags: values)] {
            #expect(settings.limitsPath == "/l")
            #expect(!settings.reloads.watch)
            #expect(settings.reloads.spread == .seconds(3))
            #expect(settings.showsValues)
            #expect(settings.listeners.data == .unix(path: "/d"))
            #expect(settings.adminEndpoint == .tcp(host: "127.0.0.1", port: 2))
            #expect(settings.listeners.http == nil)
            guard case .target(let target) = settings.redis else {
                Issue.record("no Redis")
                continue
            }
            #expect("\(target)" == "rediss://h:1/2")
            #expect(target.tls != nil)
            #expect(settings.stateDirectory == "/s")
            #expect(settings.threads == 5)
            #expect(settings.clock == .request)
            #expect(settings.deadlines.standard == .milliseconds(7))
            #expect(settings.deadlines.longest == .milliseconds(9))
            #expect(settings.keyPrefix == "pre")
            let bounds = settings.bounds
            #expect(bounds.payloadBytes == 2_048)
            #expect(bounds.inFlightPerConnection == 11)
            #expect(bounds.waitingPerLoop == 300)
            #expect(bounds.requestsPerRun == 13)
            #expect(bounds.undosPerLoop == 16)
            #expect(bounds.runsInFlight == 14)
            #expect(bounds.refusalsPerLoop == 17)
            #expect(bounds.estimatesPerLoop == 21)
            #expect(settings.instances == 22)
            #expect(bounds.connections == 18)
            #expect(bounds.connectionsPerPeer == 19)
            #expect(bounds.adminConnections == 20)
            #expect(bounds.unreadBytes == 70_000)
            #expect(bounds.fairAbove == 72)
            let timeouts = settings.timeouts
            #expect(timeouts.firstFrame == .seconds(1))
            #expect(timeouts.frame == .seconds(2))
            #expect(timeouts.unread == .seconds(3))
            #expect(timeouts.idle == .seconds(4))
            #expect(timeouts.connectionAge == .seconds(5))
            #expect(timeouts.drain == .seconds(6))
        }
    }

    @Test("The former bound on connections, of each loop, still works; timeouts can be off")
    func formerNames() throws {
        let settings = try read(
            "threads: 3\nbounds: { connections_per_loop: 5, connections_per_peer: 0 }\n"
                + "timeouts: { idle: off, connection_age: off }\n")
        #expect(settings.bounds.connections == 15)
        #expect(settings.bounds.connectionsPerPeer == .max)
        #expect(settings.timeouts.idle == nil)
        #expect(settings.timeouts.connectionAge == nil)
        #expect(try read().bounds.connections == 20_000)
        #expect(try read().bounds.connectionsPerPeer == nil)
        #expect(
            problems("timeouts: { idle: 91d, connection_age: 0s, frame: off }\n") == [
                "timeouts.frame: expected a duration from 1ms to 1h",
                "timeouts.idle: expected a duration from 1ms to 90d, or off",
                "timeouts.connection_age: expected a duration from 1ms to 90d, or off",
            ])
    }

    @Test("Unknown keys are named with their place and the nearest spelling, all at once")
    func unknownKeys() {
        let file = "thread: 2\nbounds:\n  payload_byte: 1\n  zzz: 1\nclock: [redis]\nredis_url: x\n"
        #expect(
            problems(file) == [
                "FILE:1:1: unknown key \"thread\"; did you mean \"threads\"?",
                "FILE:3:3: unknown key \"bounds.payload_byte\"; did you mean \"bounds.payload_bytes\"?",
                "FILE:4:3: unknown key \"bounds.zzz\"",
                "FILE:5:8: clock takes one value",
                "FILE:6:1: unknown key \"redis_url\"; did you mean \"redis\"?",
            ])
        #expect(problems("- a\n") == ["FILE:1:1: expected a mapping of settings"])
        #expect(problems("bounds: 3\n") == ["FILE:1:9: expected a mapping of settings"])
        #expect(problems("") == [])
    }

    @Test("Bad values are all told at once, with what was expected")
    func badValues() {
        let bad = [
            "listen": "7400", "redis": "http://x", "threads": "0", "clock": "sundial", "deadline.default": "0ms",
            "deadline.max": "2h", "keys.prefix": "a b", "bounds.requests_per_run": "257", "bounds.payload_bytes": "1e6",
        ]
        #expect(
            problems(flags: bad) == [
                "listen: no port: write HOST:PORT or unix:PATH",
                "redis: \(RedisURLError.unknownScheme)",
                "threads: expected a number from 1 to 64",
                "clock: expected redis or request",
                "deadline.default: expected a duration from 1ms to 1h",
                "deadline.max: expected a duration from 1ms to 1h",
                "keys.prefix: expected 1 to 32 of a-z, A-Z, 0-9, _ and -",
                "bounds.payload_bytes: expected a number from 1024 to 16777216",
                "bounds.requests_per_run: expected a number from 1 to 256",
            ])
        #expect(problems(flags: ["deadline.default": "2s"]) == ["deadline.default: longer than deadline.max"])
    }

    @Test("A file that cannot be read or is no YAML is one problem, without its content")
    func unreadable() {
        #expect(throws: SettingsError.self) {
            try SettingsReader(file: "/nowhere/at/all", flags: [:], environment: [:])
        }
        let found = problems("redis: redis://:secret@h\nthreads: \"2\n")
        #expect(found.count == 1)
        #expect(found.allSatisfy { $0.hasPrefix("FILE") && !$0.contains("secret") })
        #expect(!problems("redis: redis://:secret@h:x\n").description.contains("secret"))
        #expect(!problems("redis: cluster://:secret@h:x\n").description.contains("secret"))
    }

    @Test("The log level is one of the levels")
    func logLevel() throws {
        #expect(try SettingsReader(file: nil, flags: [:], environment: [:]).logLevel() == .info)
        #expect(try SettingsReader(file: nil, flags: ["log_level": "error"], environment: [:]).logLevel() == .error)
        #expect(throws: SettingsError.self) {
            try SettingsReader(file: nil, flags: ["log_level": "loud"], environment: [:]).logLevel()
        }
    }
}
