import Foundation
import NIOCore
import NIOSSL

/// How connections to Redis are made secure. The files are read once, when it is made.
public final class RedisTLS: Sendable {
    public struct Settings: Sendable, Hashable {
        public enum Verification: String, CaseIterable, Sendable {
            /// The server's certificate must come from an authority that is trusted, and be in its name.
            case full
            /// Anybody may be the server: only against those who merely listen.
            case none
        }

        /// A PEM file of the authorities that are trusted; nil: those of the machine.
        public var authorities: String?
        /// A PEM file of the certificate that this service shows, with what leads to its authority, and of its key.
        public var certificate: String?
        public var key: String?
        /// What the server's certificate must be in the name of; nil: the host that is connected to.
        public var serverName: String?
        public var verification = Verification.full

        public init() {}
    }

    /// What is wrong with a setting.
    public struct Mistake: Error, Hashable, CustomStringConvertible {
        /// `ca`, `certificate`, `key` or `server_name`; empty: all of them.
        public var setting: String
        public var description: String

        static let unused = Mistake(
            setting: "", description: "the Redis URL asks for no TLS; write rediss://, or ?tls=true behind the others")
    }

    private let context: NIOSSLContext
    private let serverName: String?

    public init(_ settings: Settings = Settings()) throws(Mistake) {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.certificateVerification = settings.verification == .full ? .fullVerification : .none
        if let path = settings.authorities {
            configuration.trustRoots = .certificates(try Self.certificates("ca", path))
        }
        if (settings.certificate == nil) != (settings.key == nil) {
            let missing = settings.key == nil ? "key" : "certificate"
            throw Mistake(setting: missing, description: "a certificate and its key go together")
        }
        if let path = settings.certificate, let keyPath = settings.key {
            configuration.certificateChain = try Self.certificates("certificate", path).map { .certificate($0) }
            configuration.privateKey = .privateKey(try Self.privateKey(keyPath))
        }
        if let name = settings.serverName, !Self.isName(name) {
            throw Mistake(setting: "server_name", description: "expected a host name, as it stands in the certificate")
        }
        serverName = settings.serverName
        do {
            context = try NIOSSLContext(configuration: configuration)
        } catch {
            let path = settings.key ?? ""
            throw Mistake(setting: "key", description: "\(path) is not the key of that certificate")
        }
    }

    /// - Parameter host: what is connected to. An address must stand in the server's certificate as such.
    func handler(host: String) throws -> NIOSSLClientHandler {
        let name = serverName ?? host
        return try NIOSSLClientHandler(context: context, serverHostname: Self.isName(name) ? name : nil)
    }

    private static func isName(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 255 && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
            && (try? SocketAddress(ipAddress: text, port: 0)) == nil
    }

    private static func certificates(_ setting: String, _ path: String) throws(Mistake) -> [NIOSSLCertificate] {
        let bytes = try read(setting, path)
        guard let found = try? NIOSSLCertificate.fromPEMBytes(bytes), !found.isEmpty else {
            throw Mistake(setting: setting, description: "\(path) holds no certificate in PEM")
        }
        return found
    }

    private static func privateKey(_ path: String) throws(Mistake) -> NIOSSLPrivateKey {
        let bytes = try read("key", path)
        // The callback keeps an encrypted key from being asked for at the terminal.
        let key = try? NIOSSLPrivateKey(bytes: bytes, format: .pem) { (_: NIOSSLPassphraseSetter<[UInt8]>) in
            throw Mistake(setting: "key", description: "encrypted")
        }
        guard let key else { throw Mistake(setting: "key", description: "\(path) holds no private key in plain PEM") }
        return key
    }

    private static func read(_ setting: String, _ path: String) throws(Mistake) -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Mistake(setting: setting, description: "\(path) cannot be read")
        }
        guard data.count <= 1 << 20 else { throw Mistake(setting: setting, description: "\(path) is over 1 MiB") }
        return Array(data)
    }
}
