import Foundation
import SluiceEngine
import SluiceModel
import Testing

/// A folder of its own for each test, gone afterwards.
@Suite final class LimitsPathTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "limits-\(UUID().uuidString)")

    init() throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(at: folder)
    }

    private func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: folder.appending(path: name))
    }

    private func file(_ rule: String) -> String {
        "version: 1\nrules:\n  - { name: \(rule), check: a, per: [], limits: [ { max: 5, window: 1m } ] }\n"
    }

    private func errors(_ path: String) -> [String] {
        do {
            _ = try LimitsPath(path).load()
            return []
        } catch {
            return error.diagnostics.map { "\($0)".replacing(folder.path, with: "DIR") }
        }
    }

    @Test("A file is read as it is, with its SHA-256")
    func oneFile() throws {
        try write("version: 1\nrules: []\n", to: "limits.yaml")
        let loaded = try LimitsPath(folder.path + "/limits.yaml").load()
        #expect(loaded.file == LimitsFile(rules: []))
        #expect(loaded.yaml == "version: 1\nrules: []\n")
        #expect(loaded.sha256 == "7f2c43106364d8112fcc3060e4ab8b20f5d1a17d9cbf3c2540529663004adff8")
    }

    @Test("A directory's *.yaml are one rule set, sorted by name; hidden files and others are not read")
    func directory() throws {
        try write(file("second"), to: "b.yaml")
        try write(String(file("first").dropLast()), to: "a.yaml")
        try write("not: [yaml", to: ".c.yaml")
        try write("not: [yaml", to: "README.md")
        try write("not: [yaml", to: "old.yml")
        let loaded = try LimitsPath(folder.path + "/").load()
        #expect(loaded.file.rules.map(\.name) == ["first", "second"])
        #expect(loaded.yaml == "# ---- a.yaml\n\(file("first"))# ---- b.yaml\n\(file("second"))")
        #expect(
            loaded.warnings.map(\.description) == [
                "\(folder.path)/old.yml:1:1: warning: this file is not read; only *.yaml files are"
            ])
    }

    @Test("Messages name the file of the directory that they are about")
    func messages() throws {
        try write(file("a"), to: "a.yaml")
        try write(file("B"), to: "b.yaml")
        try Data([0x61, 0xFF]).write(to: folder.appending(path: "c.yaml"))
        #expect(
            errors(folder.path) == [
                "DIR/c.yaml:1:2: this byte is not UTF-8; save the file as UTF-8",
                "DIR/b.yaml:3:13: \"B\" is no rule name: 1 to 48 characters of a-z, 0-9 and -; did you mean \"b\"?",
            ])
    }

    @Test("A path that cannot be read says why")
    func unreadable() throws {
        #expect(errors(folder.path + "/none.yaml") == ["DIR/none.yaml:1:1: cannot be read: No such file or directory"])
        #expect(errors(folder.path) == ["DIR:1:1: there is no *.yaml file in this directory"])
        try write("", to: "limits.yml")
        #expect(
            errors(folder.path) == [
                "DIR:1:1: there is no *.yaml file in this directory; \"limits.yml\" must be called \"limits.yaml\""
            ])
        try FileManager.default.createDirectory(at: folder.appending(path: "d.yaml"), withIntermediateDirectories: true)
        #expect(errors(folder.path) == ["DIR/d.yaml:1:1: cannot be read: not a regular file"])
    }

    @Test("A named pipe is refused, not waited for")
    func namedPipe() throws {
        #expect(mkfifo(folder.path + "/pipe.yaml", 0o600) == 0)
        #expect(errors(folder.path + "/pipe.yaml") == ["DIR/pipe.yaml:1:1: cannot be read: not a regular file"])
    }

    @Test("1 MiB is read, one byte more is not, in one file or in several together")
    func size() throws {
        let start = "version: 1\nrules: []\n"
        try write(start + String(repeating: "#", count: Caps.limitsFileBytes - start.utf8.count), to: "a.yaml")
        #expect(errors(folder.path) == [])
        try write("#", to: "b.yaml")
        #expect(errors(folder.path) == ["DIR/b.yaml:1:1: \(LimitsFile.tooLarge)"])
    }

    @Test("Links are followed as a mounted ConfigMap has them")
    func mountedConfigMap() throws {
        let manager = FileManager.default
        try manager.createDirectory(at: folder.appending(path: "..2024"), withIntermediateDirectories: true)
        try write(file("mounted"), to: "..2024/limits.yaml")
        try manager.createSymbolicLink(atPath: folder.path + "/..data", withDestinationPath: "..2024")
        try manager.createSymbolicLink(
            atPath: folder.path + "/limits.yaml", withDestinationPath: "..data/limits.yaml")
        #expect(try LimitsPath(folder.path).load().file.rules.map(\.name) == ["mounted"])
        #expect(try LimitsPath(folder.path + "/limits.yaml").load().file.rules.map(\.name) == ["mounted"])
    }
}
