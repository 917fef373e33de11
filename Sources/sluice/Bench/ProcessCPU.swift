import Glibc

/// CPU time of another process, as Linux accounts it.
enum ProcessCPU {
    /// User and system time of all its threads since it started, in seconds; in steps of 10 ms as a rule.
    ///
    /// - Returns: nil when there is no such process.
    static func seconds(of process: Int32) -> Double? {
        guard let text = readSmallFile("/proc/\(process)/stat") else { return nil }
        // The program's name, in parentheses, may hold spaces; utime and stime are fields 14 and 15.
        guard let nameEnd = text.lastIndex(of: ")") else { return nil }
        let fields = text[nameEnd...].split(separator: " ")
        guard fields.count > 12, let user = Double(fields[12]), let system = Double(fields[13]) else { return nil }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Of all threads of this process, in seconds; to the ns.
    static func ownSeconds() -> Double? {
        var time = timespec()
        guard clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 else { return nil }
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// The text of a file of at most 64 KiB, or nil.
func readSmallFile(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    var input = EventInput(descriptor, name: path)
    guard let bytes = try? input.read() else { return nil }
    return String(decoding: bytes, as: UTF8.self)
}
