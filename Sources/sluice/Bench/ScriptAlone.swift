import Foundation
import LuaScripts
import NIOCore

/// The script that the service runs for one request of the standard work, called by `redis-benchmark`, with entities
/// drawn anew for each call, as the service's requests draw them.
///
/// The call is read off MONITOR, so that it is what the service really sends. Its first arguments, the same for every
/// request of this work, hold zero bytes, which `redis-benchmark` cannot send: a line before the script puts them where
/// they belong. That costs about what sending them would.
struct ScriptAlone {
    private let console: RedisConsole
    private let entities: Int
    private let arguments: [String]
    /// Numbers and words.
    private static let binaryArguments = 2

    /// - Throws: a `Failure` that says why this cannot be measured here.
    init(of service: BenchService, from loops: any EventLoopGroup, entities: Int) async throws {
        let console = RedisConsole(redis: service.redis)
        self.console = console
        self.entities = entities
        let call = try await Self.call(of: service, from: loops)
        let digest = String(decoding: call[1], as: UTF8.self)
        guard call[0].map({ $0 | 0x20 }).elementsEqual("evalsha".utf8), try console.load(LuaScripts.decide) == digest
        else {
            throw Failure(.internalFailure, "the service runs another script than this program knows")
        }
        guard let keys = Int(String(decoding: call[2], as: UTF8.self)), 0...100 ~= keys,
            call.count > keys + 3 + Self.binaryArguments
        else {
            throw Failure(.internalFailure, "the service's call of its script is not understood")
        }
        let binary = keys + 3..<keys + 3 + Self.binaryArguments
        var texts = [try console.load(Self.script(LuaScripts.decide, with: call[binary])), "\(keys)"]
        for bytes in call[3..<binary.lowerBound] + call[binary.upperBound...] {
            guard !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) else {
                throw Failure(.internalFailure, "the service's call of its script does not fit a command line")
            }
            texts.append(text.replacing(Self.number, with: "__rand_int__"))
        }
        arguments = ["evalsha"] + texts
    }

    /// The median of so many calls, one after the other on one connection, in seconds.
    func median(calls: Int) throws -> Double {
        let before = try console.scriptRuns()
        let options = ["-c", "1", "-n", "\(calls)", "-r", "\(entities)", "--csv"]
        let output = try console.run("redis-benchmark", options + arguments, input: [])
        let after = try console.scriptRuns()
        guard after.failed == before.failed, after.all >= before.all + calls,
            // The name of the test, which is the command, may hold anything; the numbers come last:
            // rps, average, least, median, ...
            let row = String(decoding: output, as: UTF8.self).split(whereSeparator: \.isNewline).last,
            let median = row.split(separator: ",").suffix(4).first.flatMap({ Double($0.filter { $0 != "\"" }) })
        else { throw Failure(.internalFailure, "redis-benchmark could not run the script") }
        return median / 1e3
    }

    /// The script with a line that puts its first arguments in place, behind a `#!lua` line if there is one.
    private static func script(_ script: [UInt8], with arguments: ArraySlice<[UInt8]>) -> [UInt8] {
        var line: [UInt8] = []
        for argument in arguments.reversed() {
            let literal = argument.map { byte in
                let digits = String(byte)
                return "\\" + String(repeating: "0", count: 3 - digits.count) + digits
            }
            line += Array("table.insert(ARGV, 1, \"\(literal.joined())\") ".utf8)
        }
        line.append(UInt8(ascii: "\n"))
        guard script.starts(with: "#!".utf8), let end = script.firstIndex(of: UInt8(ascii: "\n")) else {
            return line + script
        }
        return Array(script[...end]) + line + Array(script[(end + 1)...])
    }

    // MARK: Reading the call

    /// Its digits as the service's keys have them.
    private static let entity = 12
    private static let number = String(repeating: "0", count: StandardWork.digits - 2) + "\(entity)"

    /// What the service sends Redis for one request.
    private static func call(of service: BenchService, from loops: any EventLoopGroup) async throws -> [[UInt8]] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["redis-cli", "-s", service.redis.socket, "MONITOR"]
        let output = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        defer { process.kill() }
        var lines = PipeLines(output.fileHandleForReading.fileDescriptor)
        if lines.next(within: .seconds(5)) == "OK" {
            try await Playing.once(.allowed, entity..<entity + 1, at: service.target, from: loops)
            while let line = lines.next(within: .seconds(5)) {
                let call = unquoted(line)
                if call.count > 3, line.contains(number) { return call }
            }
        }
        throw Failure(.internalFailure, "redis-cli MONITOR did not show the service's call of its script")
    }

    /// The arguments on a line of MONITOR, `TIME [DB ADDRESS] "..." "..."`.
    static func unquoted(_ line: String) -> [[UInt8]] {
        var arguments: [[UInt8]] = []
        var rest = Array(line.utf8)[...]
        while let quote = rest.firstIndex(of: UInt8(ascii: "\"")) {
            rest = rest[(quote + 1)...]
            var bytes: [UInt8] = []
            while let byte = rest.popFirst(), byte != UInt8(ascii: "\"") {
                guard byte == UInt8(ascii: "\\"), let escaped = rest.popFirst() else {
                    bytes.append(byte)
                    continue
                }
                switch escaped {
                case UInt8(ascii: "n"): bytes.append(10)
                case UInt8(ascii: "r"): bytes.append(13)
                case UInt8(ascii: "t"): bytes.append(9)
                case UInt8(ascii: "a"): bytes.append(7)
                case UInt8(ascii: "b"): bytes.append(8)
                case UInt8(ascii: "x"):
                    bytes.append(UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) ?? 0)
                    rest = rest.dropFirst(2)
                default: bytes.append(escaped)
                }
            }
            arguments.append(bytes)
        }
        return arguments
    }
}
