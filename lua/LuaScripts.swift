/// The scripts of this folder, as the bytes SCRIPT LOAD takes.
public enum LuaScripts {
    /// Judges and counts one batch of requests.
    public static let decide: [UInt8] =
        PackageResources.decide_lua + PackageResources.decide_cells_lua + PackageResources.decide_judge_lua
    /// Forgets the counters of one entity tuple.
    public static let reset: [UInt8] = PackageResources.reset_lua
    /// Records which windows each rule has, and since when.
    public static let windows: [UInt8] = PackageResources.windows_lua
    /// Lifts the blocks of one entity tuple.
    public static let unblock: [UInt8] = PackageResources.unblock_lua
    /// Changes and reads the lists that operators keep.
    public static let listings: [UInt8] = PackageResources.listings_lua
}
