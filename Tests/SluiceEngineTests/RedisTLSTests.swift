import Foundation
import SluiceModel
import SluiceReference
import TestSupport
import Testing

@testable import SluiceEngine

@Suite("Redis over TLS", .timeLimit(.minutes(1)))
final class RedisTLSTests {
    private let certificates: TestCertificates
    private let redis: RedisServer
    private let port = FreePort.find()

    init() throws {
        certificates = try TestCertificates()
        redis = try RedisServer([
            "--tls-port", "\(port)", "--tls-cert-file", certificates.server.certificate, "--tls-key-file",
            certificates.server.key, "--tls-ca-cert-file", certificates.authority, "--tls-auth-clients", "optional",
        ])
    }

    /// An engine as a service with these settings would have it.
    private func engine(_ host: String, _ settings: [String: String] = [:]) async throws -> EngineHarness {
        var flags = settings
        flags["redis"] = "rediss://\(host):\(port)"
        let read = try SettingsReader(file: nil, flags: flags, environment: [:]).read()
        guard case .target(let target) = read.redis else { throw RedisURLError.unknownScheme }
        return try await EngineHarness(
            target: target, rules: [Rule.perUser(max: 5, windowMs: 60_000)],
            settings: EngineHarness.settings(clock: .redis))
    }

    private func connects(_ host: String, _ settings: [String: String] = [:]) async throws {
        let engine = try await engine(host, settings)
        try await engine.waitForRedis()
        #expect(try await engine.decide(.init("a", ["user": "u"])).basis == .redis)
        try await engine.shutDown()
    }

    /// Why it does not connect.
    private func refusal(_ host: String, _ settings: [String: String] = [:]) async throws -> String {
        let engine = try await engine(host, settings)
        var reason: String?
        for _ in 0..<300 where reason == nil {
            try await Task.sleep(for: .milliseconds(10))
            reason = try await engine.run { $0.queues[0].link.lastError }
        }
        #expect(try await engine.decide(.init("a", ["user": "u"])).basis == .policy)
        try await engine.shutDown()
        return reason ?? "none"
    }

    private var trusted: [String: String] { ["redis_tls.ca": certificates.authority] }

    @Test("A server whose certificate is in the host's name, or holds its address")
    func server() async throws {
        try await connects("localhost", trusted)
        try await connects("127.0.0.1", trusted)
    }

    @Test("A certificate in another name is refused, unless that is the server name of the settings")
    func serverName() async throws {
        let (certificate, key) = certificates.named
        try RedisConnection(socket: redis.socket).command(
            "CONFIG", "SET", "tls-cert-file", certificate, "tls-key-file", key)
        for (host, name) in [("127.0.0.1", nil), ("localhost", nil), ("127.0.0.1", "other.test")] {
            var settings = trusted
            settings["redis_tls.server_name"] = name
            let reason = try await refusal(host, settings)
            #expect(reason.hasPrefix("TLS: ") && reason.contains("ostname"), "\(reason)")
        }
        try await connects("127.0.0.1", trusted.merging(["redis_tls.server_name": "redis.test"]) { $1 })
    }

    @Test("A certificate from an authority that is not trusted is refused, unless nothing is verified")
    func wrongAuthority() async throws {
        for settings in [["redis_tls.ca": certificates.stranger], [:]] {
            let reason = try await refusal("localhost", settings)
            #expect(reason.hasPrefix("TLS: ") && reason.contains("CERTIFICATE_VERIFY_FAILED"), "\(reason)")
        }
        try await connects("localhost", ["redis_tls.verify": "none"])
    }

    @Test("A server that asks for a certificate gets ours, and refuses us without one")
    func clientCertificate() async throws {
        try RedisConnection(socket: redis.socket).command("CONFIG", "SET", "tls-auth-clients", "yes")
        let reason = try await refusal("localhost", trusted)
        #expect(reason != "none", "\(reason)")
        let ours = [
            "redis_tls.certificate": certificates.client.certificate, "redis_tls.key": certificates.client.key,
        ]
        try await connects("localhost", trusted.merging(ours) { $1 })
    }

    @Test("A server that speaks no TLS is refused")
    func plain() async throws {
        let plain = try RedisServer(port: FreePort.find())
        var target = try RedisTarget(url: "rediss://127.0.0.1:\(plain.port)")
        target.tls = try RedisTLS()
        let engine = try await EngineHarness(target: target, rules: [])
        var reason: String?
        for _ in 0..<300 where reason == nil {
            try await Task.sleep(for: .milliseconds(10))
            reason = try await engine.run { $0.queues[0].link.lastError }
        }
        #expect(reason != nil)
        #expect(try await engine.run { !$0.queues[0].link.isConnected })
        try await engine.shutDown()
    }

    @Test("Files that are not there, or not what they should be, keep the service from starting, by name")
    func badFiles() throws {
        let junk = "\(certificates.folder)/junk.pem"
        try Data("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".utf8)
            .write(to: URL(fileURLWithPath: junk))
        let (certificate, key) = certificates.client
        let cases: [([String: String], String)] = [
            (["redis_tls.ca": "/nonexistent"], "redis_tls.ca: /nonexistent cannot be read"),
            (["redis_tls.ca": junk], "redis_tls.ca: \(junk) holds no certificate in PEM"),
            (["redis_tls.certificate": certificate], "redis_tls.key: a certificate and its key go together"),
            (["redis_tls.key": key], "redis_tls.certificate: a certificate and its key go together"),
            (
                ["redis_tls.certificate": key, "redis_tls.key": key],
                "redis_tls.certificate: \(key) holds no certificate in PEM"
            ),
            (
                ["redis_tls.certificate": certificate, "redis_tls.key": certificate],
                "redis_tls.key: \(certificate) holds no private key in plain PEM"
            ),
            (
                ["redis_tls.certificate": certificate, "redis_tls.key": certificates.server.key],
                "redis_tls.key: \(certificates.server.key) is not the key of that certificate"
            ),
            (
                ["redis_tls.server_name": "127.0.0.1"],
                "redis_tls.server_name: expected a host name, as it stands in the certificate"
            ),
            (["redis_tls.verify": "some"], "redis_tls.verify: expected full or none"),
        ]
        for (settings, problem) in cases {
            let flags = settings.merging(["redis": "rediss://h"]) { $1 }
            do {
                _ = try SettingsReader(file: nil, flags: flags, environment: [:]).read()
                Issue.record("\(settings)")
            } catch {
                #expect(error.problems == [problem])
            }
        }
    }

    @Test("TLS settings beside a URL without TLS are a mistake")
    func unused() throws {
        for url in ["embedded", "redis://h", "unix:///s", "sentinel://h/m", "sentinel://h/m?tls=false"] {
            let flags = ["redis": url, "redis_tls.verify": "none"]
            #expect(throws: SettingsError.self, "\(url)") {
                try SettingsReader(file: nil, flags: flags, environment: [:]).read()
            }
        }
        let secure = ["redis": "sentinel://h/m?tls=true", "redis_tls.verify": "none"]
        _ = try SettingsReader(file: nil, flags: secure, environment: [:]).read()
    }
}
