/// What INFO tells of a server, as far as the link has use for it. Every field may be missing.
struct ServerInfo: Equatable, Sendable {
    /// As written: `7.0.15`.
    private(set) var redisVersion = ""
    /// Empty: it is no Valkey.
    private(set) var valkeyVersion = ""
    /// Another one with every start of the server. Empty: unknown.
    private(set) var runID = ""
    /// `noeviction` unless somebody chose otherwise. Empty: unknown.
    private(set) var evictionPolicy = ""
    /// Keys of each database that has any, by its number.
    private(set) var keys: [Int: UInt64] = [:]
    /// Keys that were thrown away for want of memory since the server began.
    private(set) var evictedKeys: UInt64 = 0
    private var hasAppendOnlyFile = false
    private var keysLoadedFromSnapshot = ""
    /// Of the primary that it was a replica of before; zeros if it was none.
    private var formerReplicationID = ""

    init() {}

    /// - Parameter text: the reply of INFO, lines of `name:value`.
    init(_ text: String) {
        for line in text.split(whereSeparator: \.isNewline) {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...]
            switch line[..<colon] {
            case "redis_version": redisVersion = String(value.prefix(32))
            case "valkey_version": valkeyVersion = String(value.prefix(32))
            case "run_id": runID = String(value.prefix(64))
            case "maxmemory_policy": evictionPolicy = String(value.prefix(32))
            case "evicted_keys": evictedKeys = UInt64(value) ?? 0
            case "aof_enabled": hasAppendOnlyFile = value == "1"
            case "rdb_last_load_keys_loaded": keysLoadedFromSnapshot = String(value.prefix(32))
            case "master_replid2": formerReplicationID = String(value.prefix(64))
            default: readKeys(line[..<colon], value)
            }
        }
    }

    /// `db0:keys=12,expires=12,avg_ttl=0`
    private mutating func readKeys(_ name: Substring, _ value: Substring) {
        guard name.hasPrefix("db"), let database = UInt16(name.dropFirst(2)), value.hasPrefix("keys="),
            let count = UInt64(value.dropFirst(5).prefix { $0 != "," })
        else { return }
        keys[Int(database)] = count
    }

    /// Why a server of this version cannot be used; nil: it can, or does not tell its version.
    var unsupported: String? {
        let (name, version, least) =
            valkeyVersion.isEmpty ? ("Redis", redisVersion, 7) : ("Valkey", valkeyVersion, 8)
        guard !version.isEmpty, let major = Int(version.prefix { $0 != "." }), major < least else { return nil }
        return "\(name) \(version) is too old: \(least).0 or later is needed"
    }

    /// Whether it throws counters away when its memory is full.
    var evicts: Bool { !evictionPolicy.isEmpty && evictionPolicy != "noeviction" }

    /// Whether this server, another one than had the counters, has begun without them: it has no keys, or only such as
    /// came since, for it read none from its disk and was nobody's replica.
    func hasLost(database: Int) -> Bool {
        if keys[database, default: 0] == 0 { return true }
        let wasReplica = formerReplicationID.contains { $0 != "0" }
        return !hasAppendOnlyFile && keysLoadedFromSnapshot == "0" && !wasReplica
    }
}
