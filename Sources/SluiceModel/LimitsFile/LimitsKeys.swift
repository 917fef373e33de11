/// Which keys there are anywhere in a limits file, for a key that stands at the wrong level.
enum LimitsKeys {
    private static let homes: [(home: String, keys: [String])] = [
        ("at the top of the file", names(LimitsReader.FileKey.self)),
        ("in \"defaults\"", [LimitsReader.DefaultsKey.eventMemory.rawValue]),
        ("in \"defaults\" or in a rule", names(LimitsReader.DefaultsKey.self)),
        ("in a rule", names(LimitsReader.RuleKey.self)),
        ("in a limit", names(LimitsReader.LimitKey.self)),
        ("in an override", names(LimitsReader.OverrideKey.self)),
        ("in \"measure\"", names(LimitsReader.MeasureKey.self)),
        ("below a dimension in \"dimensions\"", ["v4_prefix", "v6_prefix"]),
    ]

    private static func names<Key: RawRepresentable<String> & CaseIterable>(_: Key.Type) -> [String] {
        Key.allCases.map(\.rawValue)
    }

    /// Where `key` has a meaning, behind "it belongs"; nil if nowhere.
    static func home(of key: String) -> String? {
        homes.first { $0.keys.contains(key) }?.home
    }
}
