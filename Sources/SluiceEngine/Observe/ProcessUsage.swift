import Foundation

/// What this process uses, as Linux tells it (proc(5)).
struct ProcessUsage: Sendable {
    var cpuSeconds: Double
    var residentBytes: Double
    var virtualBytes: Double
    var openDescriptors: Double
    var maxDescriptors: Double
    /// Unix time.
    var startedAtSeconds: Double

    /// Nil where /proc is not there. Blocks for as long as the kernel takes.
    static func now() -> ProcessUsage? {
        guard let stat = try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8),
            let system = try? String(contentsOfFile: "/proc/stat", encoding: .utf8),
            let close = stat.lastIndex(of: ")"),
            let boot = system.split(separator: "\n").first(where: { $0.hasPrefix("btime ") })?.split(separator: " ")
                .last
        else { return nil }
        // From field 3 on, for the name in field 2 may hold anything.
        let fields = stat[stat.index(after: close)...].split(separator: " ").map { Double($0) ?? 0 }
        guard fields.count > 21, let bootSeconds = Double(boot) else { return nil }
        let perSecond = Double(sysconf(Int32(_SC_CLK_TCK)))
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let open = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
        return ProcessUsage(
            cpuSeconds: (fields[11] + fields[12]) / perSecond,
            residentBytes: fields[21] * Double(sysconf(Int32(_SC_PAGESIZE))),
            virtualBytes: fields[20],
            openDescriptors: Double(open),
            maxDescriptors: Double(limit.rlim_cur),
            startedAtSeconds: bootSeconds + fields[19] / perSecond
        )
    }
}

/// The version of this service.
enum ServiceVersion {
    static let text = "0.1.0"
}
