import NIOCore

/// The entities that come up most in a service, all of its loops together.
struct TopReport: Sendable {
    struct Line: Sendable {
        var dimension: String
        var value: [UInt8]
        var count: UInt64
        var error: UInt64
    }

    static let most = 100

    /// Dimension by dimension in alphabetical order, the largest first.
    var lines: [Line] = []
    /// The time that the counts are of.
    var windowMs: UInt64 = 0
}

extension ServiceCore {
    /// - Parameters:
    ///   - dimension: nil: each.
    ///   - count: of each dimension, at most.
    func top(by rank: TopRank, dimension: String?, count: Int) async throws -> TopReport {
        let hops = lanes.map { $0.run { $0.decider.topSketches(by: rank) } }
        var all: [String: [SpaceSaving]] = [:]
        var report = TopReport()
        for hop in hops {
            let (sketches, windowMs) = try await hop.get()
            report.windowMs = max(report.windowMs, windowMs)
            for (name, parts) in sketches where dimension == nil || name == dimension {
                all[name, default: []] += parts
            }
        }
        for (name, sketches) in all.sorted(by: { $0.key < $1.key }) {
            report.lines += SpaceSaving.merged(sketches, atMost: min(count, TopReport.most)).map {
                TopReport.Line(dimension: name, value: $0.value, count: $0.count, error: $0.error)
            }
        }
        return report
    }
}
