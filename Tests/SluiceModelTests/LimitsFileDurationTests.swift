import Testing

@testable import SluiceModel

@Suite struct LimitsFileDurationTests {
    @Test(
        "A duration is a whole number and a unit",
        arguments: [
            ("500ms", 500), ("10s", 10_000), ("1m", 60_000), ("2h", 7_200_000), ("1d", 86_400_000),
            ("90d", 7_776_000_000), ("0s", 0), ("18446744073709551615ms", UInt64.max),
        ])
    func durations(text: String, ms: UInt64) {
        #expect(DurationText.parseMs(text) == ms)
    }

    @Test(
        "Anything else is none",
        arguments: [
            "", "1", "s", "1 s", " 1s", "1s ", "1S", "-1s", "+1s", "1.5s", "1_0s", "1h30m", "1w", "١s",
            "18446744073709551616ms", "18446744073709551615s", "99999999999999999999999d",
        ])
    func noDurations(text: String) {
        #expect(DurationText.parseMs(text) == nil)
    }

    @Test(
        "A length of time is spelled in the largest unit that divides it",
        arguments: [
            (0, "0ms"), (1, "1ms"), (999, "999ms"), (1_000, "1s"), (60_000, "1m"), (90_000, "90s"),
            (3_600_000, "1h"), (86_400_000, "1d"), (2_592_000_000, "30d"), (86_400_001, "86400001ms"),
        ])
    func spelling(ms: UInt64, text: String) {
        #expect(DurationText.spell(ms: ms) == text)
        #expect(DurationText.parseMs(text) == ms)
    }

    @Test(
        "What people write instead is understood well enough to correct it",
        arguments: [
            ("10min", "10m"), ("10 m", "10m"), ("30 Sec", "30s"), ("1.5h", "90m"), ("1h30m", "90m"), ("2weeks", "14d"),
            ("1_000ms", "1s"),
        ])
    func nearest(written: String, meant: String) {
        #expect(DurationText.nearest(to: written) == meant)
    }

    @Test(
        "What nobody can understand is not corrected",
        arguments: ["", "60", "m", "soon", "1..5h", "0s", "999999999d", "1x"])
    func noNearest(written: String) {
        #expect(DurationText.nearest(to: written) == nil)
    }
}
