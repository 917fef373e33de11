import Foundation

/// What the HTTP pages show, made away from the loops that decide: the numbers of the last seconds, and pages that are
/// made at most so often however often they are asked for.
actor Board {
    /// A page is made anew when it is older than this.
    private static let freshness = Duration.milliseconds(100)

    /// Entities of each dimension.
    private static let topCount = 5

    private let core: ServiceCore
    private let about: StatusPage.About
    private let mask: ValueMask?
    private var history = History()
    private var metrics: (at: ContinuousClock.Instant, text: String)?
    private var status: (at: ContinuousClock.Instant, json: Data)?

    init(core: ServiceCore, about: StatusPage.About) {
        self.core = core
        self.about = about
        mask = about.showsValues ? nil : ValueMask()
    }

    /// Takes the numbers once a second until cancelled.
    func sample() async {
        // By the clock, not after each other: seconds must not drift apart.
        var next = ContinuousClock.now + .seconds(1)
        while (try? await Task.sleep(until: next)) != nil {
            next = max(next + .seconds(1), .now)
            guard let readings = try? await core.readings() else { continue }
            history.add(readings, atMs: Self.nowMs)
        }
    }

    func metricsText() async -> String {
        if let metrics, .now - metrics.at < Self.freshness { return metrics.text }
        // Stamped before the numbers are taken: those who come meanwhile wait for these.
        let start = ContinuousClock.now
        guard let text = try? await core.metrics().text else { return "" }
        metrics = (start, text)
        return text
    }

    func statusJSON() async -> Data {
        if let status, .now - status.at < Self.freshness { return status.json }
        let start = ContinuousClock.now
        guard let readings = try? await core.readings(),
            let busy = try? await core.top(by: .busy, dimension: nil, count: Self.topCount),
            let refused = try? await core.top(by: .refused, dimension: nil, count: Self.topCount)
        else { return Data("{}".utf8) }
        let page = StatusPage(
            readings, history, about, reloads: core.reloads.withLockedValue { $0 },
            top: StatusPage.Top(busy: busy, refused: refused, mask: mask), nowMs: Self.nowMs)
        let json = (try? JSONEncoder.pages.encode(page)) ?? Data("{}".utf8)
        status = (start, json)
        return json
    }

    private static var nowMs: UInt64 { UInt64(Date().timeIntervalSince1970 * 1000) }
}
