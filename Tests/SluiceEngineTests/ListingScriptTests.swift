import LuaScripts
import TestSupport
import Testing

/// lua/listings.lua by itself, against a real Redis.
@Suite("The script of the lists", .timeLimit(.minutes(1)))
struct ListingScriptTests {
    private let redis: RedisServer
    private let look: RedisConnection

    init() throws {
        redis = try RedisServer()
        look = try RedisConnection(socket: redis.socket)
    }

    private static let keys = ["listed", "changes", "ends", "gone", "meta"].map { "t1:{listings}:\($0)" }

    @discardableResult
    private func call(_ arguments: String...) throws -> [RedisConnection.Value] {
        let reply = try look.command(
            [Array("EVAL".utf8), LuaScripts.listings, Array("5".utf8)]
                + (Self.keys + arguments).map { Array($0.utf8) })
        if case .error(let error) = reply { Issue.record("\(error)") }
        return reply.elements
    }

    private func set(_ field: String, _ kind: Int = 1, forMs: Int = 0, reason: String = "", most: Int = 100) throws
        -> [RedisConnection.Value]
    {
        try call("set", field, "\(kind)", "\(forMs)", "ann", reason, "\(most)")
    }

    private func poll(_ since: Int, limit: Int = 100) throws -> (head: [Int], changes: [String: String], last: Int) {
        let reply = try call("poll", "\(since)", "\(limit)")
        let rest = Array(reply.dropFirst(4))
        var changes: [String: String] = [:]
        for index in stride(from: 0, to: rest.count, by: 3) { changes[rest[index].string] = rest[index + 2].string }
        return (reply.prefix(4).map(\.number), changes, rest.isEmpty ? since : rest[rest.count - 2].number)
    }

    @Test("What is set is told once to whoever follows, with who and why, byte for byte")
    func set() throws {
        #expect(try poll(0).head.dropFirst() == [0, 0, 0])
        let before = Int(try look.timeMs())
        let first = try set("user=u 17\n", 2, forMs: 60_000, reason: "a reason: 3 words|")
        #expect(first[2].number == 1)
        #expect((before + 60_000...before + 61_000).contains(first[3].number))
        let page = try poll(0)
        #expect(page.head[3] == 1)
        let value = try #require(page.changes["user=u 17\n"])
        let words = value.split(separator: " ", maxSplits: 4).map(String.init)
        #expect(words[0] == "2" && Int(words[1]) == first[3].number && words[3] == "3")
        #expect((before...before + 1_000).contains(Int(words[2]) ?? 0))
        #expect(words[4] == "anna reason: 3 words|")
        #expect(try poll(page.last).changes.isEmpty)
    }

    @Test("Versions rise with every change, in whatever order they are asked for, and page by page nothing is missed")
    func pages() throws {
        for number in 0..<25 { _ = try set("user=u\(number)") }
        _ = try set("user=u3", 3)
        var (since, seen, pages): (Int, [String: String], Int) = (0, [:], 0)
        while true {
            let page = try poll(since, limit: 10)
            pages += 1
            #expect(page.last >= since)
            since = page.last
            seen.merge(page.changes) { $1 }
            if page.changes.count < 10 { break }
        }
        #expect(pages == 3 && seen.count == 25)
        #expect(seen["user=u3"]?.hasPrefix("3 0 ") == true)
        #expect(try poll(0).head[1] == since)
    }

    @Test("A removal is told, once, and the same word for good changes nothing")
    func remove() throws {
        _ = try set("user=u", reason: "why")
        let version = try poll(0).last
        #expect(try set("user=u", reason: "why")[2].number == 0)
        #expect(try poll(version).changes.isEmpty)
        #expect(try set("user=u", reason: "another")[2].number == 1)
        #expect(try set("user=u", 3, reason: "another")[2].number == 1)
        #expect(try call("remove", "user=u", "user=v")[2].number == 1)
        #expect(try poll(version).changes == ["user=u": ""])
        #expect(try call("remove", "user=u", "user=v")[2].number == 0)
        #expect(try poll(0).head[3] == 0)
        // What comes back is not gone: else it would be forgotten with the other removals, and never told.
        _ = try set("user=u")
        #expect(try look.command("ZCARD", Self.keys[3]).number == 0)
        #expect(try poll(0).changes.count == 1)
    }

    @Test("What is over goes by itself with the next call, and a new word in time keeps it")
    func ends() async throws {
        _ = try set("user=short", forMs: 30)
        _ = try set("user=kept", forMs: 30)
        _ = try set("user=kept")
        let version = try poll(0).last
        try await Task.sleep(for: .milliseconds(40))
        let page = try poll(version)
        #expect(page.changes == ["user=short": ""])
        #expect(page.head[3] == 1)
        #expect(try look.command("ZCARD", Self.keys[2]).number == 0)
    }

    @Test("There is room for so many and no more; what is listed can still be changed")
    func full() throws {
        for number in 0..<3 { _ = try set("user=u\(number)", most: 3) }
        let refused = try set("user=u3", most: 3)
        #expect(refused[2].number == -1)
        #expect(try poll(0).head[3] == 3)
        #expect(try set("user=u2", 2, most: 3)[2].number == 1)
        #expect(try call("remove", "user=u0")[2].number == 1)
        #expect(try set("user=u3", most: 3)[2].number == 1)
    }

    @Test("A removal is forgotten after an hour, a few at a time, and the floor says so")
    func floor() throws {
        for number in 0..<150 { _ = try set("user=u\(number)", most: 200) }
        try call("remove", "user=u0")
        #expect(try poll(0).head[2] == 0)
        for number in 1..<150 { try call("remove", "user=u\(number)") }
        // An hour passes.
        let gone = try look.command("ZRANGE", Self.keys[3], "0", "-1", "WITHSCORES").elements.map(\.string)
        for index in stride(from: 0, to: gone.count, by: 2) {
            let score = "\(Int(gone[index + 1])! - 3_700_000_000)"
            try look.command("ZADD", Self.keys[3], score, gone[index])
            try look.command("ZADD", Self.keys[1], score, gone[index])
        }
        let first = try poll(0, limit: 1)
        let left = try look.command("ZCARD", Self.keys[3]).number
        #expect(left == 50)
        #expect(first.head[2] == Int(gone[99 * 2 + 1])! - 3_700_000_000)
        _ = try poll(0)
        #expect(try look.command("ZCARD", Self.keys[3]).number == 0)
        #expect(try look.command("ZCARD", Self.keys[1]).number == 0)
        // What is left is who counts the changes.
        #expect(try look.command("KEYS", "*").elements.map(\.string) == [Self.keys[4]])
    }

    @Test("A clock that is set back repeats no version")
    func clock() throws {
        _ = try set("user=u")
        let ahead = Int(try poll(0).last) + 3_600_000_000
        try look.command("HSET", Self.keys[4], "version", "\(ahead)")
        _ = try set("user=v")
        #expect(try poll(ahead).changes.count == 1)
        #expect(try poll(ahead).last == ahead + 1)
    }

    @Test("Lists can be changed where Redis has no memory left")
    func outOfMemory() throws {
        try look.command("CONFIG", "SET", "maxmemory", "1")
        #expect(try set("user=u")[2].number == 1)
        #expect(try call("remove", "user=u")[2].number == 1)
    }
}
