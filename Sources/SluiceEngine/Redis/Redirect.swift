import SluiceWire

/// What a node of a Redis Cluster answers to a run that it does not do.
enum Redirect: Sendable, Equatable {
    /// The slot is another node's for good: the slot map is out of date.
    case moved(slot: Int, Endpoint)
    /// The slot is on its way to another node and these keys are there already: this run alone goes there, with ASKING.
    case ask(slot: Int, Endpoint)
    /// The slot is on its way and the keys are on both nodes: the same again, in a moment.
    case tryAgain
    /// The slot has no node that serves it.
    case clusterDown
    /// The keys are of several slots, or not all on this node: the run has to be cut up.
    case crossSlot

    /// Reads what stands behind the first word of MOVED and ASK: `3999 127.0.0.1:6381`. An address of IPv6 comes
    /// without brackets; an empty host, or `?`, is the host of the node that said so.
    ///
    /// - Returns: nil for anything else, a slot or port out of range among it.
    static func destination(_ text: Substring, from node: Endpoint) -> (slot: Int, endpoint: Endpoint)? {
        let words = text.split(separator: " ")
        guard words.count >= 2, let slot = number(words[0]), slot < KeySlot.count,
            let colon = words[1].lastIndex(of: ":"),
            let port = number(words[1][words[1].index(after: colon)...]), 1...65_535 ~= port
        else { return nil }
        let host = words[1][..<colon]
        guard host.isEmpty || host == "?" else { return (slot, .tcp(host: String(host), port: port)) }
        guard case .tcp = node else { return nil }
        return (slot, node.with(port: port))
    }

    private static func number(_ text: Substring) -> Int? {
        guard 1...5 ~= text.utf8.count, text.utf8.allSatisfy({ 0x30...0x39 ~= $0 }) else { return nil }
        return Int(text)
    }
}
