import Foundation
import Synchronization

/// A Redis Cluster of a test's own on loopback ports: primaries first, each with one replica; gone when this object is.
///
/// Nodes are named by their place in `nodes`; roles change, places do not.
public final class RedisCluster: Sendable {
    public enum Failure: Error, CustomStringConvertible {
        case notCreated(String)
        /// Not within the time given, and what was waited for.
        case late(String)
        case refused(command: String, String)
        case noOwner(slot: Int)

        public var description: String {
            switch self {
            case .notCreated(let why): "the cluster was not created: \(why)"
            case .late(let what): "not in time: \(what)"
            case .refused(let command, let why): "\(command): \(why)"
            case .noOwner(let slot): "no node answers who serves slot \(slot)"
            }
        }
    }

    public struct Node: Sendable {
        public let server: RedisServer
        public let port: Int
    }

    public let nodes: [Node]
    /// `cluster-node-timeout`: so long without a word, and a node is failing.
    public let nodeTimeoutMs: Int
    /// Slots being moved, by where from and where to.
    private let moves = Mutex<[Int: (from: Int, to: Int)]>([:])

    /// Takes about four seconds.
    ///
    /// - Parameters:
    ///   - primaries: with one replica each if `replicas` is 1.
    ///   - arguments: settings of every node, as `redis-server` takes them.
    public init(
        primaries: Int = 3, replicas: Int = 1, nodeTimeoutMs: Int = 1_500, _ arguments: [String] = []
    ) throws {
        self.nodeTimeoutMs = nodeTimeoutMs
        let count = primaries * (1 + replicas)
        nodes = try FreePort.find(count).map { port in
            let cluster = [
                "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout",
                "\(nodeTimeoutMs)", "--repl-diskless-sync-delay", "0", "--cluster-allow-replica-migration", "no",
                // A slot that nobody serves is no reason to refuse the others.
                "--cluster-require-full-coverage", "no",
            ]
            return Node(server: try RedisServer(cluster + arguments, port: port), port: port)
        }
        let create = Process()
        create.executableURL = URL(fileURLWithPath: "/usr/bin/redis-cli")
        create.arguments =
            ["--cluster", "create"] + nodes.map { "127.0.0.1:\($0.port)" }
            + ["--cluster-replicas", "\(replicas)", "--cluster-yes"]
        let output = Pipe()
        create.standardOutput = output
        create.standardError = output
        create.standardInput = FileHandle.nullDevice
        try create.run()
        let said = output.fileHandleForReading.readDataToEndOfFile()
        create.waitUntilExit()
        guard create.terminationStatus == 0 else {
            throw Failure.notCreated(String(String(decoding: said, as: UTF8.self).suffix(600)))
        }
        try waitUntilWhole()
    }

    /// For a service: `cluster://` and every node.
    public var url: String { "cluster://\(addresses.joined(separator: ","))" }
    public var addresses: [String] { nodes.map { "127.0.0.1:\($0.port)" } }

    // MARK: - Looking

    /// A connection to one node over its Unix socket; an answer that takes longer than two seconds is an error.
    public func connect(_ node: Int) throws -> RedisConnection {
        try RedisConnection(socket: nodes[node].server.socket, timeoutMs: 2_000)
    }

    @discardableResult
    public func command(_ node: Int, _ arguments: String...) throws -> RedisConnection.Value {
        let answer = try connect(node).command(arguments.map { Array($0.utf8) })
        if case .error(let why) = answer {
            throw Failure.refused(command: arguments.joined(separator: " "), why)
        }
        return answer
    }

    /// Nodes that run and are not frozen.
    public var alive: [Int] { nodes.indices.filter { nodes[$0].server.answers } }

    private func place(ofPort port: Int) -> Int? { nodes.firstIndex { $0.port == port } }

    /// The primary that serves a slot, as `viewer` sees it; nil: as the first living node does.
    public func primary(ofSlot slot: Int, seenBy viewer: Int? = nil) throws -> Int {
        for node in viewer.map({ [$0] }) ?? alive {
            for range in (try? command(node, "CLUSTER", "SLOTS"))?.elements ?? [] {
                let parts = range.elements
                guard parts.count > 2, parts[0].number <= slot, slot <= parts[1].number,
                    let place = place(ofPort: parts[2].elements.dropFirst().first?.number ?? -1)
                else { continue }
                return place
            }
        }
        throw Failure.noOwner(slot: slot)
    }

    public func primary(of key: String) throws -> Int { try primary(ofSlot: HashSlot.of(key)) }

    /// The living nodes that are primaries, by their own words.
    public func primaries() -> [Int] {
        alive.filter { (try? command($0, "ROLE"))?.elements.first?.string == "master" }
    }

    /// The living replicas of a primary, by their own words.
    public func replicas(of primary: Int) -> [Int] {
        alive.filter {
            let role = (try? command($0, "ROLE"))?.elements ?? []
            return role.first?.string == "slave" && role.count > 2 && role[2].number == nodes[primary].port
        }
    }

    public func identifier(of node: Int) throws -> String { try command(node, "CLUSTER", "MYID").string }

    private func says(_ node: Int, _ line: String, in section: String...) -> Bool {
        guard let connection = try? connect(node),
            let text = try? connection.command(section.map { Array($0.utf8) }).string
        else { return false }
        return text.contains(line)
    }

    /// Waits until each living node sees every slot served and each living replica follows its primary.
    public func waitUntilWhole(seconds: Double = 15) throws {
        try wait(seconds, "a whole cluster") {
            alive.allSatisfy { node in
                says(node, "cluster_state:ok", in: "CLUSTER", "INFO")
                    && says(node, "cluster_known_nodes:\(nodes.count)", in: "CLUSTER", "INFO")
                    && (says(node, "role:master", in: "INFO", "replication")
                        || says(node, "master_link_status:up", in: "INFO", "replication"))
            }
        }
    }

    /// Waits until some node other than `old` serves the slot, and says which.
    @discardableResult
    public func waitForPrimary(ofSlot slot: Int, otherThan old: Int, seconds: Double = 15) throws -> Int {
        var found = old
        try wait(seconds, "another primary of slot \(slot)") {
            for node in alive where node != old {
                let owner = try? primary(ofSlot: slot, seenBy: node)
                if let owner, owner != old, says(owner, "role:master", in: "INFO", "replication") {
                    found = owner
                    return true
                }
            }
            return false
        }
        return found
    }

    /// Waits until a node that was a primary follows another one.
    public func waitUntilFollows(_ node: Int, _ primary: Int, seconds: Double = 15) throws {
        try wait(seconds, "a replica") { replicas(of: primary).contains(node) }
        try waitUntilWhole(seconds: seconds)
    }

    private func wait(_ seconds: Double, _ what: String, until condition: () throws -> Bool) throws {
        let end = Date(timeIntervalSinceNow: seconds)
        while try !condition() {
            guard Date() < end else { throw Failure.late(what) }
            usleep(20_000)
        }
    }

    // MARK: - Faults

    public func kill(_ node: Int) { nodes[node].server.stop() }
    public func restart(_ node: Int) throws { try nodes[node].server.restart() }
    public func freeze(_ node: Int) { nodes[node].server.freeze() }
    public func resume(_ node: Int) { nodes[node].server.resume() }

    /// Freezes all primaries but one and their replicas, so that nobody can be elected and no slot is served for long.
    ///
    /// - Returns: whom `resume` brings back.
    public func loseMajority() -> [Int] {
        let lost = primaries().dropFirst().flatMap { replicas(of: $0) + [$0] }
        for node in lost { freeze(node) }
        return lost
    }

    /// Waits until the living nodes have noticed that no majority is left.
    public func waitUntilDown(seconds: Double = 15) throws {
        try wait(seconds, "a cluster that is down") {
            alive.allSatisfy { says($0, "cluster_state:fail", in: "CLUSTER", "INFO") }
        }
    }

    /// Hands a primary's place to a replica of its, as an operator does.
    public func failOver(to replica: Int, force: Bool = false) throws {
        if force {
            try command(replica, "CLUSTER", "FAILOVER", "FORCE")
        } else {
            try command(replica, "CLUSTER", "FAILOVER")
        }
    }

    // MARK: - Moving slots

    /// Begins to move a slot: from here on its owner answers ASK for keys that it no longer has.
    public func beginMove(ofSlot slot: Int, to target: Int) throws {
        let source = try primary(ofSlot: slot)
        try command(target, "CLUSTER", "SETSLOT", "\(slot)", "IMPORTING", identifier(of: source))
        try command(source, "CLUSTER", "SETSLOT", "\(slot)", "MIGRATING", identifier(of: target))
        moves.withLock { $0[slot] = (source, target) }
    }

    /// Moves up to `most` keys of a slot whose move has begun.
    ///
    /// - Returns: how many there were.
    @discardableResult
    public func moveKeys(ofSlot slot: Int, atMost most: Int = 100) throws -> Int {
        guard let (source, target) = moves.withLock({ $0[slot] }) else { throw Failure.noOwner(slot: slot) }
        let connection = try connect(source)
        let keys = try connection.command("CLUSTER", "GETKEYSINSLOT", "\(slot)", "\(most)").elements.map(\.bytes)
        guard !keys.isEmpty else { return 0 }
        let words = ["MIGRATE", "127.0.0.1", "\(nodes[target].port)", "", "0", "2000", "KEYS"]
        let answer = try connection.command(words.map { Array($0.utf8) } + keys)
        if case .error(let why) = answer { throw Failure.refused(command: "MIGRATE", why) }
        return keys.count
    }

    /// Moves what is left of a slot whose move has begun, and says whose it is now.
    public func finishMove(ofSlot slot: Int) throws {
        guard let (source, target) = moves.withLock({ $0[slot] }) else { throw Failure.noOwner(slot: slot) }
        while try moveKeys(ofSlot: slot) > 0 {}
        let owner = try identifier(of: target)
        let others = primaries().filter { $0 != source && $0 != target }
        for node in [target, source] + others { try command(node, "CLUSTER", "SETSLOT", "\(slot)", "NODE", owner) }
        moves.withLock { $0[slot] = nil }
    }

    public func move(slot: Int, to target: Int) throws {
        try beginMove(ofSlot: slot, to: target)
        try finishMove(ofSlot: slot)
    }
}
