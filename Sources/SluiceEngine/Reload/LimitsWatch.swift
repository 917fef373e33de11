import Glibc
import NIOPosix

/// Notices that the limits on disk have changed, by looking.
///
/// It compares what the files are, not what a kernel reports of them: that holds for files edited in place, for files
/// renamed over others, for links swapped as a mounted ConfigMap does, and on file systems that report nothing.
struct LimitsWatch: Sendable {
    /// Between two looks.
    private static let pause = Duration.milliseconds(250)

    let path: String
    /// A change is taken up at a random moment within this, so that many instances that watch one file do not all
    /// swap at once.
    let spread: Duration

    /// Calls `changed` each time the limits have changed and then stood still for two looks, until cancelled.
    ///
    /// It is called once at the start as well, for a change between the first reading and the first look.
    func run(_ changed: @Sendable () async -> Void) async {
        var taken: [LimitsFingerprint] = []
        var seen: [LimitsFingerprint] = []
        while (try? await Task.sleep(for: Self.pause)) != nil {
            let path = path
            guard let now = try? await NIOThreadPool.singleton.runIfActive({ LimitsFingerprint.all(of: path) }) else {
                continue
            }
            // A file that is still being written is left alone until it stands still.
            defer { seen = now }
            guard now == seen, now != taken else { continue }
            if !taken.isEmpty, spread > .zero {
                guard (try? await Task.sleep(for: spread * Double.random(in: 0..<1))) != nil else { return }
            }
            taken = now
            await changed()
        }
    }
}

/// What one file is at a moment: another one, or the same one written again, differs.
struct LimitsFingerprint: Hashable, Sendable {
    private var name: String
    private var device: UInt
    private var inode: UInt
    private var size: Int
    private var modifiedSeconds: Int
    private var modifiedNanoseconds: Int

    private init?(_ name: String, _ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        self.name = name
        device = UInt(status.st_dev)
        inode = UInt(status.st_ino)
        size = Int(status.st_size)
        modifiedSeconds = Int(status.st_mtim.tv_sec)
        modifiedNanoseconds = Int(status.st_mtim.tv_nsec)
    }

    /// Of a file, or of the `*.yaml` of a directory, links followed; empty if there is nothing. Blocks on the file
    /// system.
    static func all(of path: String) -> [LimitsFingerprint] {
        guard let own = LimitsFingerprint("", path) else { return [] }
        guard let directory = opendir(path) else { return [own] }
        defer { closedir(directory) }
        var found = [own]
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasSuffix(".yaml"), let file = LimitsFingerprint(name, "\(path)/\(name)") { found.append(file) }
        }
        return found.sorted { $0.name < $1.name }
    }
}
