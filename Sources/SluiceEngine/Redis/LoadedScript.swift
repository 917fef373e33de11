import LuaScripts

/// The scripts that a connection loads when it begins, to run them by their digest.
enum LoadedScript: Int, CaseIterable {
    case decide
    case undo
    /// The nodes of a cluster have these as well.
    case decideOnNode
    case release

    var source: [UInt8] {
        switch self {
        case .decide: LuaScripts.decide
        case .undo: LuaScripts.undo
        case .decideOnNode: LuaScripts.decideOnNode
        case .release: LuaScripts.release
        }
    }

    /// The sources, in order, of what a single Redis is given, and of what a node of a cluster is.
    static let ofOne = [decide, undo].map(\.source)
    static let ofNode = allCases.map(\.source)
}
