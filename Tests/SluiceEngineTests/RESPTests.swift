import NIOCore
import SluiceModel
import SluiceReference
import TestSupport
import Testing

@testable import SluiceEngine

/// What goes to Redis and what comes back, as bytes.
@Suite("Commands and replies on the wire to Redis")
struct RESPTests {
    /// The arguments of one command; nil unless it is exactly one.
    private static func arguments(_ bytes: [UInt8]) -> [[UInt8]]? {
        var rest = bytes[...]
        func number(after mark: UInt8) -> Int? {
            guard rest.first == mark, let end = rest.firstIndex(of: 13) else { return nil }
            let text = String(decoding: rest[(rest.startIndex + 1)..<end], as: UTF8.self)
            rest = rest[end...].dropFirst(2)
            return Int(text)
        }
        guard let count = number(after: UInt8(ascii: "*")) else { return nil }
        var arguments: [[UInt8]] = []
        for _ in 0..<count {
            guard let length = number(after: UInt8(ascii: "$")), rest.count >= length + 2 else { return nil }
            arguments.append(Array(rest.prefix(length)))
            rest = rest.dropFirst(length + 2)
        }
        return rest.isEmpty ? arguments : nil
    }

    private static func formatted(_ arguments: [[UInt8]]) -> [UInt8] {
        var buffer = ByteBuffer()
        CommandFormatter.write(arguments, into: &buffer)
        return Array(buffer.readableBytesView)
    }

    @Test("hiredis' formatter keeps every byte of every argument")
    func formatter() {
        let cases: [[[UInt8]]] = [
            [Array("PING".utf8)], [[], [0], [13, 10], [36, 42, 58]],
            [Array(0...255), Array(repeating: 0, count: 70_000)],
            Array(repeating: [7], count: 2_000),
        ]
        for arguments in cases { #expect(Self.arguments(Self.formatted(arguments)) == arguments) }
    }

    @Test("A batch's command is what hiredis formats for the same arguments")
    func batch() throws {
        var random = SeededGenerator.announced()
        for _ in 0..<60 {
            var traffic = RandomTraffic(random: SeededGenerator(seed: random.next()))
            let rules = ActiveRules(
                LimitsFile(rules: traffic.rules), generation: 1,
                source: ActiveRules.Source(path: "", yaml: "", sha256: "", loadedAtMs: 0), keyPrefix: "sluice")
            let batch = Batch(rules: rules)
            var index = DimensionIndex()
            var added = 0
            for _ in 0..<Int.random(in: 1...120, using: &random) {
                traffic.tick()
                var request = traffic.request()
                // Values of any bytes and lengths: keys of every number of digits.
                request.entities = request.entities.map { entity in
                    let count = Int.random(in: 0...256, using: &random)
                    return (entity.dimension, (0..<count).map { _ in .random(in: 0...255, using: &random) })
                }
                let payload = try EngineHarness.payload(request, atMs: traffic.nowMs)
                payload.withUnsafeReadableBytes { bytes in
                    guard let view = try? CheckDecoder(takesTime: true).decode(bytes, 0..<bytes.count) else { return }
                    var met: [RuleUse] = []
                    index.fill(view, in: rules.set)
                    rules.set.match(view, index, into: &met)
                    guard !met.isEmpty else { return }
                    batch.add(
                        view, index, meets: met, caller: Caller(connection: 0, epoch: 0, stream: 0), received: .now(),
                        deadline: .distantFuture)
                    added += 1
                }
            }
            guard added > 0 else { continue }
            let script = Array("0123456789abcdef0123456789abcdef01234567".utf8)
            batch.seal(script: script, ttlSlackMs: random.oneIn(2) ? 0 : 86_400_000)
            let command = Array(batch.command.readableBytesView)
            let arguments = try #require(Self.arguments(command), "seed \(random.seed)")
            #expect(Self.formatted(arguments) == command, "seed \(random.seed)")
            #expect(arguments[0] == Array("EVALSHA".utf8) && arguments[1] == script)
            let keys = try #require(Int(String(decoding: arguments[2], as: UTF8.self)))
            #expect(Set(arguments[3..<3 + keys]).count == keys, "each key once")
            // Sealed again, for a run that goes again, it is the same.
            batch.seal(script: script, ttlSlackMs: 0)
            batch.seal(script: script, ttlSlackMs: 86_400_000)
            let again = Array(batch.command.readableBytesView)
            #expect(again.count == command.count)
        }
    }

    @Test("A table of keys numbers them as they come, grows, and forgets all of them at once")
    func keyTable() {
        var random = SeededGenerator.announced()
        var table = KeyTable()
        for filling in 0..<40 {
            var known: [[UInt8]: Int] = [:]
            for _ in 0..<Int.random(in: 0...(filling.isMultiple(of: 10) ? 3_000 : 300), using: &random) {
                // Few lengths and letters: many are the same, many begin alike.
                let key = (0..<Int.random(in: 0...6, using: &random)).map { _ in UInt8.random(in: 0...3, using: &random)
                }
                let (number, isNew) = table.insert(atMost: key.count) { $0.write(key) }
                #expect(isNew == (known[key] == nil), "seed \(random.seed)")
                #expect(number == known[key] ?? known.count, "seed \(random.seed)")
                known[key] = number
            }
            #expect(table.count == known.count)
            table.removeAll()
            #expect(table.count == 0)
        }
    }

    // MARK: - Replies

    /// A reply as it is flattened, depth first.
    private static func flat(_ reply: Reply) -> [String] {
        (0..<reply.count).map { index in
            switch reply.kind(at: index) {
            case .text: "$" + String(decoding: reply.bytes(at: index), as: UTF8.self)
            case .status: "+" + String(decoding: reply.bytes(at: index), as: UTF8.self)
            case .error: "-" + String(decoding: reply.bytes(at: index), as: UTF8.self)
            case .integer: ":\(reply.integer(at: index))"
            case .array: "*\(reply.integer(at: index))"
            case .null: "_"
            }
        }
    }

    private static let corpus: [(bytes: String, flat: [String])] = [
        ("+OK\r\n", ["+OK"]), ("-ERR it broke\r\n", ["-ERR it broke"]), (":0\r\n", [":0"]),
        (":9223372036854775807\r\n", [":9223372036854775807"]), (":-1\r\n", [":-1"]), ("$0\r\n\r\n", ["$"]),
        ("$-1\r\n", ["_"]), ("$7\r\na\r\nb\r\nc\r\n", ["$a\r\nb\r\nc"]), ("*0\r\n", ["*0"]), ("*-1\r\n", ["_"]),
        ("*3\r\n:1\r\n$-1\r\n-NO\r\n", ["*3", ":1", "_", "-NO"]),
        ("*2\r\n*2\r\n:1\r\n*1\r\n+a\r\n*0\r\n", ["*2", "*2", ":1", "*1", "+a", "*0"]),
        (
            "*10000\r\n" + (0..<10_000).map { ":\($0)\r\n" }.joined(),
            ["*10000"] + (0..<10_000).map { ":\($0)" }
        ),
    ]

    private static func read(_ chunks: [[UInt8]]) -> (sound: Bool, replies: [[String]]) {
        let reader = ReplyReader()
        var replies: [[String]] = []
        for chunk in chunks {
            guard reader.read(ByteBuffer(bytes: chunk), { replies.append(flat($0)) }) else { return (false, replies) }
        }
        return (true, replies)
    }

    @Test("Replies are read whole, glued, and split at every byte")
    func replies() {
        let all = Self.corpus.flatMap { Array($0.bytes.utf8) }
        let expected = Self.corpus.map(\.flat)
        #expect(Self.read([all]).replies == expected)
        #expect(Self.read(all.map { [$0] }).replies == expected)
        for (bytes, flat) in Self.corpus {
            let bytes = Array(bytes.utf8)
            for cut in bytes.indices where bytes.count < 1_000 || cut.isMultiple(of: 997) {
                let result = Self.read([Array(bytes[..<cut]), Array(bytes[cut...])])
                #expect(result.sound)
                #expect(result.replies == [flat], "cut at \(cut)")
            }
        }
        var random = SeededGenerator.announced()
        for _ in 0..<20 {
            var rest = all[...]
            var chunks: [[UInt8]] = []
            while !rest.isEmpty {
                let count = Int.random(in: 1...20_000, using: &random)
                chunks.append(Array(rest.prefix(count)))
                rest = rest.dropFirst(count)
            }
            #expect(Self.read(chunks).replies == expected, "seed \(random.seed)")
        }
    }

    @Test("A broken stream is told, at any byte, and never trusted again")
    func broken() {
        for bytes in ["?", "HTTP/1.1 200 OK\r\n", "*1\r\n?\r\n", "$x\r\n", "*99999999999\r\n", ":1x\r\n"] {
            #expect(Self.read([Array(bytes.utf8)]).sound == false, "\(bytes)")
        }
        let reader = ReplyReader()
        #expect(!reader.read(ByteBuffer(string: "?"), { _ in }))
        #expect(!reader.read(ByteBuffer(string: "+OK\r\n"), { _ in }))
        // Any byte changed to any other: an answer or a broken stream, never a crash.
        var random = SeededGenerator.announced()
        for (bytes, _) in Self.corpus {
            for _ in 0..<200 {
                var bytes = Array(bytes.utf8)
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    let place = Int.random(in: 0..<min(bytes.count, 200), using: &random)
                    bytes[place] = .random(in: 0...255, using: &random)
                }
                _ = Self.read([bytes])
            }
        }
    }
}
