/// The scripts of this folder, as the bytes SCRIPT LOAD takes.
public enum LuaScripts {
    /// Judges and counts one batch of requests.
    public static let decide: [UInt8] =
        cells + PackageResources.origins_lua + PackageResources.decide_lua + PackageResources.decide_judge_lua
        + PackageResources.decide_write_lua
    /// Takes back what an event counted.
    public static let undo: [UInt8] = cells + PackageResources.undo_lua
    /// Forgets the counters of one entity tuple.
    public static let reset: [UInt8] = PackageResources.reset_lua
    /// Lifts the blocks of one entity tuple.
    public static let unblock: [UInt8] = PackageResources.cells_lua + PackageResources.unblock_lua
    /// Records which windows each rule has, and since when.
    public static let windows: [UInt8] = PackageResources.windows_lua
    /// Changes and reads the lists that operators keep.
    public static let listings: [UInt8] = PackageResources.listings_lua

    private static let cells: [UInt8] =
        PackageResources.cells_lua + PackageResources.sets_lua + PackageResources.events_lua
}
