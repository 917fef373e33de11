import Glibc
import SluiceModel

/// The limits on disk: a file, or a directory whose `*.yaml`, sorted by name, are one rule set.
public struct LimitsPath: Sendable {
    public let path: String

    public init(_ path: String) {
        self.path = path
    }

    /// A rule set as read.
    public struct Loaded: Sendable {
        public var file: LimitsFile
        public var warnings: [LimitsDiagnostic]
        /// The text as read; the texts of several files each under a comment line with the file's name.
        public var yaml: String
        /// Of `yaml`, in hexadecimal digits.
        public var sha256: String
    }

    /// Kubernetes swaps this link when a mounted ConfigMap changes; the files beside it are links through it.
    private static let mountLink = "..data"
    /// A directory that is swapped more often than this while it is read is taken as it was read last.
    private static let swapsFollowed = 3

    /// Reads and checks the limits. Blocks on the file system.
    ///
    /// - Throws: all that is wrong; what is wrong with a path as a whole stands at its line 1, column 1.
    public func load() throws(LimitsFileError) -> Loaded {
        // A set read across a swap would be half of each; or half would be gone.
        var swaps = 0
        var target = mountTarget()
        while true {
            let result = Result { () throws(LimitsFileError) in try loadOnce() }
            let targetNow = mountTarget()
            guard targetNow != target, swaps < Self.swapsFollowed else { return try result.get() }
            target = targetNow
            swaps += 1
        }
    }

    private func loadOnce() throws(LimitsFileError) -> Loaded {
        let (names, overlooked) = try fileNames()
        var sources: [LimitsFile.Source] = []
        var room = Caps.limitsFileBytes
        var failures: [LimitsDiagnostic] = []
        for name in names {
            do {
                let bytes = try read(name, atMost: room)
                room -= bytes.count
                sources.append(try LimitsFile.Source(name: name, bytes: bytes))
            } catch {
                failures += error.diagnostics
            }
        }
        guard failures.isEmpty else {
            // What is wrong with the readable ones is said in the same breath.
            if !sources.isEmpty {
                do { _ = try LimitsFile.parse(sources) } catch { failures += error.diagnostics }
            }
            throw LimitsFileError(diagnostics: failures)
        }
        let (file, warnings) = try LimitsFile.parse(sources)
        let yaml = Self.joined(sources)
        return Loaded(file: file, warnings: overlooked + warnings, yaml: yaml, sha256: LimitsFile.sha256(of: yaml))
    }

    private static func joined(_ sources: [LimitsFile.Source]) -> String {
        guard sources.count > 1 else { return sources.first?.text ?? "" }
        return sources.map { source in
            let name = source.name.split(separator: "/").last ?? ""
            return "# ---- \(name)\n\(source.text)\(source.text.utf8.last == UInt8(ascii: "\n") ? "" : "\n")"
        }.joined()
    }

    /// The files of the set, and a warning for each that its name keeps out of it.
    private func fileNames() throws(LimitsFileError) -> (names: [String], overlooked: [LimitsDiagnostic]) {
        guard let directory = opendir(path) else {
            guard errno == ENOTDIR else { throw failure(path, "cannot be read: \(lastError())") }
            return ([path], [])
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            names.append(
                withUnsafeBytes(of: &entry.pointee.d_name) { name in
                    String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
                })
        }
        // Hidden files are editors' and Kubernetes' own.
        names = names.filter { !$0.hasPrefix(".") }.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        let prefix = path.hasSuffix("/") ? path : path + "/"
        let limits = names.filter { $0.hasSuffix(".yaml") }
        let overlooked = names.filter { $0.hasSuffix(".yml") }
        guard !limits.isEmpty else {
            let hint = overlooked.first.map { "; \"\($0)\" must be called \"\($0.dropLast(4)).yaml\"" } ?? ""
            throw failure(path, "there is no *.yaml file in this directory\(hint)")
        }
        let warnings = overlooked.map {
            LimitsDiagnostic(
                severity: .warning, file: prefix + $0, line: 1, column: 1,
                message: "this file is not read; only *.yaml files are")
        }
        return (limits.map { prefix + $0 }, warnings)
    }

    private func read(_ name: String, atMost limit: Int) throws(LimitsFileError) -> [UInt8] {
        // Without O_NONBLOCK, a named pipe would wait for its writer.
        let file = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { throw failure(name, "cannot be read: \(lastError())") }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw failure(name, "cannot be read: \(lastError())") }
        guard status.st_mode & S_IFMT == S_IFREG else { throw failure(name, "cannot be read: not a regular file") }

        // One byte more than allowed tells a file that is too large, whatever its size was when it was opened.
        var bytes = [UInt8](repeating: 0, count: limit + 1)
        var count = 0
        while count < bytes.count {
            let got = bytes.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress! + count, $0.count - count) }
            if got == 0 { break }
            if got > 0 {
                count += got
            } else if errno != EINTR {
                throw failure(name, "cannot be read: \(lastError())")
            }
        }
        guard count <= limit else { throw failure(name, LimitsFile.tooLarge) }
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    private func mountTarget() -> String? {
        var target = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("\(path)/\(Self.mountLink)", &target, target.count)
        return count < 0 ? nil : String(decoding: target.prefix(count), as: UTF8.self)
    }

    private func failure(_ name: String, _ message: String) -> LimitsFileError {
        LimitsFileError(diagnostics: [LimitsDiagnostic(file: name, line: 1, column: 1, message: message)])
    }

    private func lastError() -> String {
        String(cString: strerror(errno))
    }
}
