import Foundation
import NIOCore
import SluiceWire
import Testing

/// What docs/protocol.md shows is what the code does.
struct ProtocolPageTests {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private let page: String

    init() throws {
        page = try String(contentsOf: Self.root.appending(path: "docs/protocol.md"), encoding: .utf8)
    }

    @Test(arguments: [
        ("preface", Preface.bytes),
        ("check-request", FrameCorpus.bytes(FrameCorpus.checkRequest)),
        ("check-response", FrameCorpus.bytes(FrameCorpus.checkResponse)),
        ("error-response", FrameCorpus.bytes(FrameCorpus.errorResponse)),
        ("hello", FrameCorpus.bytes(FrameCorpus.hello)),
        ("ping", FrameCorpus.bytes(FrameCorpus.ping)),
    ])
    func `Every hex block is what the code writes`(name: String, written: [UInt8]) throws {
        #expect(try bytes(ofBlock: name) == written)
    }

    @Test
    func `The Check in hex decodes to what the page says of it`() throws {
        var decoder = FrameDecoder(receivingFrom: .client, maxPayload: 65_536)
        decoder.append(ByteBuffer(bytes: try bytes(ofBlock: "preface") + bytes(ofBlock: "check-request")))
        let frame = try #require(try decoder.next())
        let request = try WireCheckRequest(payload: frame.payload)
        #expect(frame.header.micros == 10_000)
        #expect(request.action == "login")
        #expect(request.entities == [WireEntity("user", "u17"), WireEntity(dimension: "device", value: [0x9F, 0x3C])])
    }

    @Test
    func `The schema is the whole of sluice.proto`() throws {
        let file = try String(
            contentsOf: Self.root.appending(path: "Sources/SluiceWire/sluice.proto"),
            encoding: .utf8
        )
        let schema = try #require(file.range(of: "syntax =")).lowerBound
        #expect(try block("proto") == file[schema...].trimmingCharacters(in: .newlines))
    }

    @Test
    func `Every method and status has its row`() {
        for byte in UInt8.min...UInt8.max {
            let method = WireMethod(rawValue: byte)
            if method.name != "unknown" {
                let spelled = method.name.split(separator: "_").map(\.capitalized).joined()
                #expect(page.contains("| \(byte) | \(spelled) |"))
            }
            let status = WireStatus(rawValue: byte)
            if status.name != "unknown" {
                #expect(page.contains("| \(byte) | \(status.name.replacing("_", with: " ")) |"))
            }
        }
    }

    @Test
    func `The client in Python works as it stands`() async throws {
        let server = try await FakeServer.start { frame, connection in
            let deny = WireCheckResponse.with { response in
                response.verdict = .deny
                response.retryAfterMs = UInt64(frame.header.stream)
            }
            connection.answer(frame, deny)
        }
        let script = FileManager.default.temporaryDirectory.appending(path: "sluice-page-\(UUID().uuidString).py")
        try block("python").write(to: script, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: script) }

        let python = Process()
        python.executableURL = URL(filePath: "/usr/bin/env")
        python.arguments = ["python3", script.path, "\(server.endpoint)"]
        let output = Pipe()
        python.standardOutput = output
        try python.run()
        let printed = try output.fileHandleForReading.readToEnd() ?? Data()
        python.waitUntilExit()
        try await server.stop()

        #expect(python.terminationStatus == 0)
        let lines = String(decoding: printed, as: UTF8.self).split(separator: "\n").sorted()
        #expect(lines == (1...8).map { "u\($0) deny retry after \($0) ms" })
    }

    private func block(_ name: String) throws -> String {
        let opening = try #require(page.range(of: "```\(name)\n"))
        let closing = try #require(page.range(of: "\n```", range: opening.upperBound..<page.endIndex))
        return String(page[opening.upperBound..<closing.lowerBound])
    }

    /// The bytes of a block whose lines are hex with comments behind `#`.
    private func bytes(ofBlock name: String) throws -> [UInt8] {
        let digits = try block("hex \(name)").split(separator: "\n").flatMap { line in
            line.prefix { $0 != "#" }.split(separator: " ")
        }
        return try digits.map { try #require(UInt8($0, radix: 16)) }
    }
}
