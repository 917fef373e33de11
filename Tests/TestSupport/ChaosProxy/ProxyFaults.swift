/// What a `ChaosProxy` does to the bytes of one direction, for as long as it is set.
public struct ProxyFaults: Sendable, Equatable {
    /// Bytes are held this long.
    public var delayMs: Double = 0
    /// And up to this much longer, at random; the order stays.
    public var jitterMs: Double = 0
    /// Nil: as fast as the machine can.
    public var bytesPerSecond: Int?
    /// Most bytes in one write; 1: one at a time.
    public var largestWrite: Int?
    /// What comes within this time of the first is written at once; 0: nothing is held.
    public var glueMs: Double = 0
    /// Nothing moves until this is false again; then all of it, in order.
    public var isFrozen = false

    public init() {}
}

/// What a `ChaosProxy` does once, to the next request of a command or to the reply to it.
public enum ProxyTrap: Sendable, Equatable {
    /// The request does not reach Redis, nor does anything after it on its connection: bytes of a stream are not lost
    /// from its middle.
    case dropRequest
    /// Redis gets the request and what follows; the reply is lost, and all after it on its connection.
    case dropReply
    /// Half of the reply arrives, then both ends are reset.
    case resetInReply
    /// One byte of the reply is another.
    case corruptReply(ReplyByte)

    /// Which byte of a reply.
    public enum ReplyByte: Sendable, Equatable, CaseIterable {
        /// The first one, which says what follows.
        case kind
        /// The first digit of a length.
        case length
        /// The carriage return at the end.
        case end
    }
}

/// What a `ChaosProxy` has seen.
public struct ProxyCounts: Sendable, Equatable {
    public var accepted = 0
    /// Connections that are open now.
    public var open = 0
    public var bytesToRedis = 0
    public var bytesToClients = 0
    public var replies = 0
    /// Requests that were let through, by command, in capitals.
    public var commands: [String: Int] = [:]
    /// Traps that caught something.
    public var trapped = 0

    public var requests: Int { commands.values.reduce(0, +) }

    /// What has come since an earlier reading.
    public func since(_ earlier: ProxyCounts) -> ProxyCounts {
        var counts = self
        counts.accepted -= earlier.accepted
        counts.bytesToRedis -= earlier.bytesToRedis
        counts.bytesToClients -= earlier.bytesToClients
        counts.replies -= earlier.replies
        counts.trapped -= earlier.trapped
        for (command, count) in earlier.commands { counts.commands[command, default: 0] -= count }
        return counts
    }
}
