/// The scripts of this folder, as the bytes SCRIPT LOAD takes.
public enum LuaScripts {
    /// A file that the scripts decide and undo are made of.
    package enum Part: String {
        case names = "names.lua"
        case cells = "cells.lua"
        case sets = "sets.lua"
        case events = "events.lua"
        case origins = "origins.lua"
        case decide = "decide.lua"
        case decideGeneral = "decide-general.lua"
        case decideJudge = "decide-judge.lua"
        case decideWrite = "decide-write.lua"
        case decidePlain = "decide-plain.lua"
        case undo = "undo.lua"
        case release = "release.lua"
        case takeback = "takeback.lua"

        package var source: [UInt8] {
            switch self {
            case .names: PackageResources.names_lua
            case .cells: PackageResources.cells_lua
            case .sets: PackageResources.sets_lua
            case .events: PackageResources.events_lua
            case .origins: PackageResources.origins_lua
            case .decide: PackageResources.decide_lua
            case .decideGeneral: PackageResources.decide_general_lua
            case .decideJudge: PackageResources.decide_judge_lua
            case .decideWrite: PackageResources.decide_write_lua
            case .decidePlain: PackageResources.decide_plain_lua
            case .undo: PackageResources.undo_lua
            case .release: PackageResources.release_lua
            case .takeback: PackageResources.takeback_lua
            }
        }
    }

    /// Undeclared keys may be read, and keys of several slots go together.
    private static let flags = Array("#!lua flags=allow-cross-slot-keys\n".utf8)

    private static let keysOfArguments = Array(
        """
        local KEYS, ARGV = {}, ARGV
        do
          local all, n = ARGV, tonumber(ARGV[1])
          for i = 1, n do KEYS[i] = all[i + 1] end
          ARGV = {}
          for i = n + 2, #all do ARGV[i - n - 1] = all[i] end
        end

        """.utf8)

    /// Judges and counts one batch of requests.
    public static let decide: [UInt8] = decide(\.source)
    /// The same for a node of a cluster, which is given its keys as arguments: their number, the keys, and what the
    /// other is given. A script's keys must lie in one slot, arguments need not.
    public static let decideOnNode: [UInt8] = flags + keysOfArguments + decide.dropFirst(flags.count)
    /// Takes back what one node counted of a request that another refused.
    public static let release: [UInt8] =
        flags + [Part.names, .cells, .sets, .takeback, .release].flatMap(\.source)
    /// Takes back what an event counted.
    public static let undo: [UInt8] = undo(\.source)
    /// Forgets the counters of one entity tuple.
    public static let reset: [UInt8] = PackageResources.reset_lua
    /// Lifts the blocks of one entity tuple.
    public static let unblock: [UInt8] =
        flags + PackageResources.names_lua + PackageResources.cells_lua + PackageResources.unblock_lua
    /// Records which windows each rule has, and since when.
    public static let windows: [UInt8] = PackageResources.windows_lua
    /// Changes and reads the lists that operators keep.
    public static let listings: [UInt8] = PackageResources.listings_lua

    /// The decide script of the parts that `source` gives. What the plain part of a run does without is a function that
    /// is made of nothing until it is called: a run of one request would pay more for its tables than for the request.
    package static func decide(_ source: (Part) -> [UInt8]) -> [UInt8] {
        let general: [Part] = [
            .names, .cells, .sets, .events, .origins, .decideGeneral, .decideJudge, .decideWrite,
        ]
        let run: [Part] = [.names, .decide, .decidePlain]
        return flags + Array("local function general(...)\n".utf8) + general.flatMap(source) + Array("end\n".utf8)
            + run.flatMap(source)
    }

    package static func undo(_ source: (Part) -> [UInt8]) -> [UInt8] {
        let parts: [Part] = [.names, .cells, .sets, .events, .takeback, .undo]
        return flags + parts.flatMap(source)
    }
}
