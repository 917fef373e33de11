import SluiceModel
import Testing

#if canImport(Glibc)
import Glibc
#endif

@Suite("IP addresses")
struct IPAddressTests {
    @Test(
        "Every form of an address is written in its canonical one",
        arguments: [
            ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"), ("10.1.100.20", "10.1.100.20"),
            ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("0:0:0:0:0:0:0:0", "::"),
            ("2001:DB8:0:0:8:800:200C:417A", "2001:db8::8:800:200c:417a"),
            ("2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"),
            ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
            ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"), ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
            ("0:0:1:0:0:0:0:0", "0:0:1::"), ("FE80::A00:0F", "fe80::a00:f"),
            ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"), ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
            ("::ffff:192.0.2.1", "192.0.2.1"), ("::FFFF:c000:0201", "192.0.2.1"), ("::192.0.2.1", "::c000:201"),
            ("0:0:0:0:0:ffff:0.0.0.0", "0.0.0.0"),
        ])
    func canonical(_ text: String, _ written: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.description == written)
        #expect(IPAddress(written) == address)
    }

    @Test(
        "What is no address is none",
        arguments: [
            "", ":", "1", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3", "256.1.1.1", "01.2.3.4", "1.2.3.00",
            "1.2.3.4 ", " 1.2.3.4", "1.2.3.4/32", "0x1.2.3.4", "1.2.3.-4", "+1.2.3.4", ":::", "::1::", "1:::2", ":1",
            "1:", "::1:", ":1::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4::5:6:7:8", "::1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7:8::", "12345::", "::g", "fe80::1%eth0", "[::1]", "::1.2.3", "::1.2.3.4:5", "1.2.3.4::",
            "1:2:3:4:5:6:7:1.2.3.4", "::01.2.3.4", "::ffff:1.2.3.256", "d-9f3c", "\u{661}.2.3.4",
        ])
    func none(_ text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test("An address is cut to its leading bits")
    func cut() throws {
        let v4 = try #require(IPAddress("203.0.113.255"))
        #expect(v4.cut(to: 24).description == "203.0.113.0")
        #expect(v4.cut(to: 31).description == "203.0.113.254")
        #expect(v4.cut(to: 0).description == "0.0.0.0")
        let v6 = try #require(IPAddress("2001:db8:ffff:ffff:1::1"))
        #expect(v6.cut(to: 64).description == "2001:db8:ffff:ffff::")
        #expect(v6.cut(to: 33).description == "2001:db8:8000::")
        for address in [v4, v6] {
            #expect(address.cut(to: address.family.bits) == address)
            #expect(address.cut(to: .max) == address)
            #expect(address.cut(to: .min).number == 0)
        }
    }

    @Test("Addresses of two families are never equal")
    func families() {
        #expect(IPAddress(.v4, 1) != IPAddress(.v6, 1))
        #expect(IPAddress(.v4, .max).description == "255.255.255.255")
    }

    @Test("Bytes that begin like an address trap nothing, and are read as the C library reads them")
    func garbage() {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededRandom(state: seed)
        let pieces = ["::", ":", ".", "0", "1", "ffff", "12", "255", "256", "9", "a", "C", "1.2.3.4", "/", "%", "-"]
        var read = 0
        for round in 0..<30_000 {
            let count = Int.random(in: 0...16, using: &random)
            let text = (0..<count).map { index in
                // Addresses are rare among random pieces: colons in every other place make some.
                index % 2 == 1 && round % 2 == 0 ? ":" : pieces.randomElement(using: &random)!
            }.joined()
            let address = IPAddress(text)
            #expect(address?.description == Self.writtenByC(text), "seed \(seed), round \(round): \(text)")
            if address != nil { read += 1 }
        }
        #expect(read > 30, "seed \(seed)")
        for round in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            bytes.withUnsafeBytes { #expect(IPAddress($0) == nil, "seed \(seed), round \(round): \(bytes)") }
        }
    }

    @Test("Any address is read again from what it is written as")
    func roundTrip() {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededRandom(state: seed)
        for round in 0..<20_000 {
            // Many zero groups, for the runs that "::" stands for.
            var number: UInt128 = 0
            for _ in 0..<8 {
                number =
                    number << 16 | (Bool.random(using: &random) ? 0 : UInt128.random(in: 0...0xFFFF, using: &random))
            }
            let address = IPAddress(number >> 32 == 0xFFFF ? .v4 : .v6, number)
            #expect(IPAddress(address.description) == address, "seed \(seed), round \(round)")
            #expect(address.description == Self.writtenByC(address.description), "seed \(seed), round \(round)")
        }
    }

    /// The text that inet_ntop makes of what inet_pton reads; nil if it reads nothing.
    private static func writtenByC(_ text: String) -> String? {
        var bytes = [UInt8](repeating: 0, count: 16)
        var family = AF_INET
        if inet_pton(AF_INET, text, &bytes) != 1 {
            guard inet_pton(AF_INET6, text, &bytes) == 1 else { return nil }
            family = AF_INET6
            if bytes.starts(with: [UInt8](repeating: 0, count: 10) + [255, 255]) {
                bytes.removeFirst(12)
                family = AF_INET
            } else if bytes.starts(with: [UInt8](repeating: 0, count: 12)), bytes[12] != 0 || bytes[13] != 0 {
                // The C library writes the deprecated IPv4-compatible addresses in dotted decimal.
                let hex = [0, 1].map { String(UInt16(bytes[12 + 2 * $0]) << 8 | UInt16(bytes[13 + 2 * $0]), radix: 16) }
                return "::" + hex.joined(separator: ":")
            }
        }
        var buffer = [CChar](repeating: 0, count: 64)
        guard inet_ntop(family, bytes, &buffer, 64) != nil else { return nil }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

@Suite("IP networks")
struct IPNetworkTests {
    @Test(
        "A network is read from an address and a number of bits, or from an address alone",
        arguments: [
            ("203.0.113.0/24", "203.0.113.0/24"), ("203.0.113.7", "203.0.113.7"), ("203.0.113.7/32", "203.0.113.7"),
            ("0.0.0.0/0", "0.0.0.0/0"), ("2001:DB8::/32", "2001:db8::/32"), ("::/0", "::/0"), ("::1/128", "::1"),
            ("2001:db8::/100", "2001:db8::/100"), ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
        ])
    func networks(_ text: String, _ written: String) throws {
        #expect(try IPNetwork(text).description == written)
    }

    @Test(
        "What is no network is told apart by what is wrong",
        arguments: [
            ("", IPNetwork.Problem.notAnAddress), ("/", .notAnAddress), ("/24", .notAnAddress),
            ("bot/24", .notAnAddress),
            ("1.2.3.0/24/24", .notAnAddress), ("1.2.3.0/", .badPrefix(longest: 32)),
            ("1.2.3.0/33", .badPrefix(longest: 32)), ("1.2.3.0/024", .badPrefix(longest: 32)),
            ("1.2.3.0/-1", .badPrefix(longest: 32)), ("1.2.3.0/24 ", .badPrefix(longest: 32)),
            ("1.2.3.0/255.255.255.0", .badPrefix(longest: 32)), ("::/129", .badPrefix(longest: 128)),
            ("::/99999999999999999999", .badPrefix(longest: 128)), ("::ffff:1.2.3.0/24", .badPrefix(longest: 128)),
        ])
    func problems(_ text: String, _ problem: IPNetwork.Problem) {
        #expect(throws: problem) { try IPNetwork(text) }
    }

    @Test("Bits behind the prefix are an error that says the right network")
    func hostBits() throws {
        #expect(throws: IPNetwork.Problem.hostBitsSet(network: try IPNetwork("203.0.113.0/24"))) {
            try IPNetwork("203.0.113.7/24")
        }
        #expect(throws: IPNetwork.Problem.hostBitsSet(network: try IPNetwork("2001:db8::/32"))) {
            try IPNetwork("2001:db8::1/32")
        }
    }

    @Test("A network contains the addresses that begin as it does, of its own family")
    func contains() throws {
        let network = try IPNetwork("203.0.113.0/25")
        #expect(network.contains(try #require(IPAddress("203.0.113.127"))))
        #expect(network.contains(try #require(IPAddress("::ffff:203.0.113.0"))))
        #expect(!network.contains(try #require(IPAddress("203.0.113.128"))))
        #expect(!network.contains(try #require(IPAddress("203.0.112.255"))))
        #expect(try !IPNetwork("::/0").contains(try #require(IPAddress("203.0.113.1"))))
        #expect(try !IPNetwork("0.0.0.0/0").contains(try #require(IPAddress("::1"))))
        #expect(try IPNetwork("::1").contains(try #require(IPAddress("0::1"))))
    }
}
