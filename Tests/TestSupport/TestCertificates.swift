import Foundation

/// Certificates made by `openssl` for one test, in a folder that goes with this object.
public final class TestCertificates: Sendable {
    public enum Failure: Error {
        /// Install it: `make deps-test`.
        case openssl(String)
    }

    public let folder: String
    /// The authority's, in PEM.
    public var authority: String { path("ca.crt") }
    /// Another authority's, that has signed nothing.
    public var stranger: String { path("stranger.crt") }
    /// In the name of `localhost`, `redis.test` and 127.0.0.1.
    public var server: (certificate: String, key: String) { (path("server.crt"), path("server.key")) }
    /// In the name of `redis.test` alone.
    public var named: (certificate: String, key: String) { (path("named.crt"), path("named.key")) }
    public var client: (certificate: String, key: String) { (path("client.crt"), path("client.key")) }

    public init() throws {
        folder = "/tmp/sluice-test-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try makeAuthority("ca")
        try makeAuthority("stranger")
        try sign("server", alternatives: "DNS:localhost,DNS:redis.test,IP:127.0.0.1")
        try sign("named", alternatives: "DNS:redis.test")
        try sign("client", alternatives: "DNS:client.test")
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    private func path(_ name: String) -> String { "\(folder)/\(name)" }

    private static let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]

    private func makeAuthority(_ name: String) throws {
        try openssl(
            ["req", "-x509", "-keyout", path("\(name).key"), "-out", path("\(name).crt"), "-subj", "/CN=\(name)"]
                + Self.key)
    }

    private func sign(_ name: String, alternatives: String) throws {
        try openssl(
            [
                "req", "-x509", "-CA", authority, "-CAkey", path("ca.key"), "-keyout", path("\(name).key"), "-out",
                path("\(name).crt"), "-subj", "/CN=\(name)", "-addext", "subjectAltName=\(alternatives)", "-addext",
                "basicConstraints=critical,CA:false",
            ] + Self.key)
    }

    private func openssl(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
        process.arguments = arguments
        let output = Pipe()
        process.standardError = output
        process.standardOutput = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure.openssl(String(decoding: data, as: UTF8.self)) }
    }
}
