import TestSupport
import Testing

@Suite("Clusters of the tests' own", .serialized)
struct RedisClusterTests {
    @Test("Slots are those of Redis")
    func slots() throws {
        let redis = try RedisServer(["--cluster-enabled", "yes"], port: FreePort.find())
        let connection = try RedisConnection(port: redis.port)
        for key in ["", "a", "sluice1:{user=u17}", "sluice1:{user=u17}:tail", "{}x", "a{b}{c}", "{a", "x{}{y}"] {
            #expect(try connection.command("CLUSTER", "KEYSLOT", key).number == HashSlot.of(key), "\(key)")
        }
    }

    @Test("A slot moves with its keys, and half-moved is asked for")
    func move() throws {
        let cluster = try RedisCluster()
        let slot = HashSlot.of("{t}1")
        let source = try cluster.primary(ofSlot: slot)
        let target = try #require(cluster.primaries().first { $0 != source })
        for key in ["{t}1", "{t}2", "{t}3"] { try cluster.command(source, "SET", key, "v") }
        try cluster.beginMove(ofSlot: slot, to: target)
        #expect(try cluster.moveKeys(ofSlot: slot, atMost: 2) == 2)
        let answers = try ["{t}1", "{t}2", "{t}3"].map { try cluster.connect(source).command("GET", $0) }
        let asked = answers.filter {
            if case .error(let why) = $0 { return why == "ASK \(slot) 127.0.0.1:\(cluster.nodes[target].port)" }
            return false
        }
        #expect(asked.count == 2)
        try cluster.finishMove(ofSlot: slot)
        for node in cluster.primaries() { #expect(try cluster.primary(ofSlot: slot, seenBy: node) == target) }
        for key in ["{t}1", "{t}2", "{t}3"] { #expect(try cluster.command(target, "GET", key).string == "v") }
    }

    @Test("A killed primary is replaced, and is a replica when it is back")
    func failover() throws {
        let cluster = try RedisCluster()
        let slot = HashSlot.of("t")
        let old = try cluster.primary(ofSlot: slot)
        let replica = try #require(cluster.replicas(of: old).first)
        cluster.kill(old)
        #expect(try cluster.waitForPrimary(ofSlot: slot, otherThan: old) == replica)
        try cluster.restart(old)
        try cluster.waitUntilFollows(old, replica)
    }

    @Test("Without a majority nothing is served, with one everything is")
    func majority() throws {
        let cluster = try RedisCluster()
        let lost = cluster.loseMajority()
        #expect(lost.count == 4)
        try cluster.waitUntilDown()
        let last = try #require(cluster.primaries().first)
        let answer = try cluster.connect(last).command("GET", "t")
        guard case .error(let why) = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(why.hasPrefix("CLUSTERDOWN") || why.hasPrefix("MOVED"))
        for node in lost { cluster.resume(node) }
        try cluster.waitUntilWhole()
    }
}
