import LuaScripts

/// The scripts that every connection loads when it begins, to run them by their digest.
enum LoadedScript: Int, CaseIterable {
    case decide
    case undo

    var source: [UInt8] {
        switch self {
        case .decide: LuaScripts.decide
        case .undo: LuaScripts.undo
        }
    }
}
