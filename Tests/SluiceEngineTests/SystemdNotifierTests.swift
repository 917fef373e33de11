import Foundation
import Logging
import TestSupport
import Testing

@testable import SluiceEngine

@Suite("What systemd is told", .timeLimit(.minutes(1)))
struct SystemdNotifierTests {
    private static let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private static func notifier(_ environment: [String: String]) -> SystemdNotifier? {
        SystemdNotifier(environment: environment, logger: silent)
    }

    @Test("Each notice is one datagram, to a path or to an abstract name", arguments: [false, true])
    func notices(abstract: Bool) async throws {
        let socket = try DatagramSocket(abstract: abstract)
        let notifier = try #require(Self.notifier(["NOTIFY_SOCKET": socket.name]))
        await notifier.ready("generation 7")
        #expect(socket.next() == ["READY=1", "STATUS=generation 7"])
        await notifier.reloading()
        let reload = try #require(socket.next())
        #expect(reload.first == "RELOADING=1")
        let began = reload.last.flatMap { UInt64($0.dropFirst("MONOTONIC_USEC=".count)) }
        let uptime = UInt64(ProcessInfo.processInfo.systemUptime * 1_000_000)
        #expect(try uptime - #require(began) < 10_000_000)
        await notifier.stopping()
        #expect(socket.next() == ["STOPPING=1", "STATUS=draining"])
    }

    @Test("A status is one line, whatever it holds")
    func status() async throws {
        let socket = try DatagramSocket()
        let notifier = try #require(Self.notifier(["NOTIFY_SOCKET": socket.name]))
        await notifier.ready("a\nSTOPPING=1\u{1B}[2J" + String(repeating: "x", count: 1_000))
        let lines = try #require(socket.next())
        #expect(lines.count == 2)
        #expect(lines[1].hasPrefix("STATUS=a STOPPING=1 [2Jxxx"))
        #expect(lines[1].utf8.count == "STATUS=".utf8.count + 256)
    }

    @Test("Without a socket in the environment there is nobody to tell")
    func nobody() {
        #expect(Self.notifier([:]) == nil)
        #expect(Self.notifier(["NOTIFY_SOCKET": ""]) == nil)
    }

    @Test(
        "A socket that is not there, or cannot be one, delays nothing",
        arguments: ["/nowhere/socket", "vsock:2:1234", "@", "/" + String(repeating: "x", count: 200)])
    func badSocket(name: String) async throws {
        let notifier = try #require(Self.notifier(["NOTIFY_SOCKET": name]))
        let start = ContinuousClock.now
        for _ in 0..<20 { await notifier.ready("x") }
        #expect(ContinuousClock.now - start < .seconds(2))
    }

    @Test("A systemd that reads nothing is given up after a moment")
    func fullQueue() async throws {
        let socket = try DatagramSocket()
        let notifier = try #require(Self.notifier(["NOTIFY_SOCKET": socket.name]))
        let queued = try String(contentsOfFile: "/proc/sys/net/unix/max_dgram_qlen", encoding: .utf8)
        let room = try #require(Int(queued.trimmingCharacters(in: .whitespacesAndNewlines)))
        for _ in 0...room { await notifier.reloading() }
        let start = ContinuousClock.now
        await notifier.ready("x")
        #expect((.milliseconds(100) ... .seconds(5)).contains(ContinuousClock.now - start))
    }

    @Test("Signs of life come twice in each period, and stop while the service shows none")
    func watchdog() async throws {
        let socket = try DatagramSocket()
        let environment = ["NOTIFY_SOCKET": socket.name, "WATCHDOG_USEC": "200000", "WATCHDOG_PID": "\(getpid())"]
        let notifier = try #require(Self.notifier(environment))
        let (pulses, beat) = AsyncStream.makeStream(of: Void.self)
        for _ in 0..<3 { beat.yield() }
        let watch = try #require(
            notifier.watch {
                var pulse = pulses.makeAsyncIterator()
                await pulse.next()
            })
        let start = ContinuousClock.now
        for _ in 0..<3 { #expect(socket.next() == ["WATCHDOG=1"]) }
        #expect(ContinuousClock.now - start >= .milliseconds(190))
        #expect(socket.next(within: 0.5) == nil)
        beat.yield()
        #expect(socket.next() == ["WATCHDOG=1"])
        watch.cancel()
        beat.finish()
    }

    @Test("No signs of life where none are asked for, or another process is asked")
    func noWatchdog() throws {
        for more in [[:], ["WATCHDOG_USEC": "0"], ["WATCHDOG_USEC": "x"], ["WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"]] {
            let environment = more.merging(["NOTIFY_SOCKET": "/nowhere"]) { $1 }
            #expect(try #require(Self.notifier(environment)).watch {} == nil)
        }
    }
}
