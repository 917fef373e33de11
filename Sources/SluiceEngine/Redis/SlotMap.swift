import SluiceWire

/// Which node of a cluster serves which slot, as CLUSTER SLOTS told it.
struct SlotMap {
    /// The most nodes that are taken notice of.
    static let mostNodes = 1_000

    private static let nobody = UInt16.max

    /// The primaries.
    private(set) var primaries: [Endpoint] = []
    /// All nodes, replicas too: whom to ask when the primaries are gone.
    private(set) var nodes: [Endpoint] = []
    private var primaryOfSlot = Array(repeating: SlotMap.nobody, count: KeySlot.count)

    /// Reads a reply to CLUSTER SLOTS: ranges of slots, each with its nodes, primary first; nil if it is none.
    ///
    /// - Parameter asked: who replied; a node without a host of its own is the one that was asked.
    init?(_ reply: Reply, asked: Endpoint) {
        guard reply.kind == .array else { return nil }
        let ranges = reply.integer(at: 0)
        var at = 1
        for _ in 0..<max(0, ranges) {
            guard let next = takeRange(reply, at, asked) else { return nil }
            at = next
        }
        guard !primaries.isEmpty else { return nil }
    }

    /// - Returns: where the next range begins.
    private mutating func takeRange(_ reply: Reply, _ start: Int, _ asked: Endpoint) -> Int? {
        guard start + 2 < reply.count, reply.kind(at: start) == .array, reply.integer(at: start) >= 3,
            reply.kind(at: start + 1) == .integer, reply.kind(at: start + 2) == .integer
        else { return nil }
        let (low, high) = (reply.integer(at: start + 1), reply.integer(at: start + 2))
        guard 0 <= low, low <= high, high < KeySlot.count else { return nil }
        let members = reply.integer(at: start) - 2
        var at = start + 3
        for member in 0..<members {
            guard at + 2 < reply.count, reply.kind(at: at) == .array,
                let node = Self.node(reply, at, asked), nodes.count < Self.mostNodes
            else { return nil }
            if !nodes.contains(node) { nodes.append(node) }
            if member == 0 { give(Int(low)...Int(high), to: node) }
            guard let end = Self.end(of: at, in: reply) else { return nil }
            at = end
        }
        return at
    }

    private static func node(_ reply: Reply, _ at: Int, _ asked: Endpoint) -> Endpoint? {
        guard reply.kind(at: at + 2) == .integer, 1...65_535 ~= reply.integer(at: at + 2) else { return nil }
        let port = Int(reply.integer(at: at + 2))
        switch reply.kind(at: at + 1) {
        case .text:
            let host = String(decoding: reply.bytes(at: at + 1), as: UTF8.self)
            return host.isEmpty || host == "?" ? asked.with(port: port) : .tcp(host: host, port: port)
        case .null: return asked.with(port: port)
        default: return nil
        }
    }

    /// Where the element behind the one at `start` begins.
    private static func end(of start: Int, in reply: Reply) -> Int? {
        var (at, left) = (start, Int64(1))
        while left > 0 {
            guard at < reply.count else { return nil }
            left -= 1
            if reply.kind(at: at) == .array { left += max(0, reply.integer(at: at)) }
            at += 1
        }
        return at
    }

    private mutating func give(_ slots: ClosedRange<Int>, to node: Endpoint) {
        let number = primaries.firstIndex(of: node) ?? primaries.count
        if number == primaries.count { primaries.append(node) }
        for slot in slots { primaryOfSlot[slot] = UInt16(number) }
    }

    /// A node has said that another serves `slot`.
    mutating func move(_ slot: Int, to node: Endpoint) {
        guard primaries.count < Self.mostNodes || primaries.contains(node) else { return }
        give(slot...slot, to: node)
        if !nodes.contains(node) { nodes.append(node) }
    }

    func primary(of slot: Int) -> Endpoint? {
        let number = primaryOfSlot[slot]
        return number == Self.nobody ? nil : primaries[Int(number)]
    }
}

extension Endpoint {
    /// The same host at another port.
    func with(port: Int) -> Endpoint {
        switch self {
        case .tcp(let host, _): .tcp(host: host, port: port)
        case .unix: self
        }
    }
}
