/// The scripts of this folder, as the bytes SCRIPT LOAD takes.
public enum LuaScripts {
    /// A file that scripts are made of.
    package enum Part: String {
        case cells = "cells.lua"
        case sets = "sets.lua"
        case events = "events.lua"
        case origins = "origins.lua"
        case decide = "decide.lua"
        case decideJudge = "decide-judge.lua"
        case decideWrite = "decide-write.lua"
        case undo = "undo.lua"

        package var source: [UInt8] {
            switch self {
            case .cells: PackageResources.cells_lua
            case .sets: PackageResources.sets_lua
            case .events: PackageResources.events_lua
            case .origins: PackageResources.origins_lua
            case .decide: PackageResources.decide_lua
            case .decideJudge: PackageResources.decide_judge_lua
            case .decideWrite: PackageResources.decide_write_lua
            case .undo: PackageResources.undo_lua
            }
        }
    }

    package static let decideParts: [Part] = [.cells, .sets, .events, .origins, .decide, .decideJudge, .decideWrite]
    package static let undoParts: [Part] = [.cells, .sets, .events, .undo]

    /// Judges and counts one batch of requests.
    public static let decide: [UInt8] = decideParts.flatMap(\.source)
    /// Takes back what an event counted.
    public static let undo: [UInt8] = undoParts.flatMap(\.source)
    /// Forgets the counters of one entity tuple.
    public static let reset: [UInt8] = PackageResources.reset_lua
    /// Lifts the blocks of one entity tuple.
    public static let unblock: [UInt8] = PackageResources.cells_lua + PackageResources.unblock_lua
    /// Records which windows each rule has, and since when.
    public static let windows: [UInt8] = PackageResources.windows_lua
    /// Changes and reads the lists that operators keep.
    public static let listings: [UInt8] = PackageResources.listings_lua
}
