import Foundation
import Testing

@testable import SluiceModel

/// Each `Fixtures/limits/NAME.yaml` holds one kind of mistake; `NAME.expected` beside it is all that is said of it.
/// Without an expectation a file is valid and nothing looks wrong with it.
@Suite struct LimitsFileFixtureTests {
    static let folder = Bundle.module.resourceURL!.appending(path: "Fixtures/limits")

    static let names = try! FileManager.default.contentsOfDirectory(atPath: folder.path)
        .filter { $0.hasSuffix(".yaml") }.sorted()

    static func text(_ name: String) throws -> String {
        try String(contentsOf: folder.appending(path: name), encoding: .utf8)
    }

    @Test("A limits file is told exactly what is expected of it", arguments: names)
    func fixture(name: String) throws {
        let expectation = Self.folder.appending(path: name.replacing(".yaml", with: ".expected"))
        let expected = (try? String(contentsOf: expectation, encoding: .utf8)) ?? ""
        let source = try LimitsFile.Source(name: name, text: Self.text(name))
        var said: [LimitsDiagnostic]
        do {
            said = try LimitsFile.parse([source]).warnings
        } catch {
            said = error.diagnostics
        }
        #expect(said.map { "\($0)\n" }.joined() == expected)
        #expect(name.hasPrefix("valid-") == expected.isEmpty)
    }

    @Test("Every expectation belongs to a file")
    func noStrayExpectation() throws {
        let all = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
        let expected = all.filter { $0.hasSuffix(".expected") }.map { $0.replacing(".expected", with: ".yaml") }
        #expect(expected.count > 50)
        #expect(Set(expected).isSubset(of: Self.names))
    }
}
