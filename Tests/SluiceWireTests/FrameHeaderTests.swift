import NIOCore
import SluiceWire
import Testing

struct FrameHeaderTests {
    @Test
    func `A header is 16 big-endian bytes in the order of the protocol`() throws {
        let header = FrameHeader(
            length: 0x0102_0304,
            kind: .response,
            method: .stats,
            status: .unavailable,
            flags: 9,
            stream: 0x0506_0708,
            micros: 0x090A_0B0C
        )
        var buffer = ByteBuffer()
        header.write(into: &buffer)
        #expect(Array(buffer.readableBytesView) == [1, 2, 3, 4, 2, 23, 14, 9, 5, 6, 7, 8, 9, 10, 11, 12])
        #expect(try FrameHeader(reading: buffer) == header)
    }

    @Test
    func `Every header survives being written and read, at any alignment`() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SplitMix(seed: seed)
        for _ in 0..<1_000 {
            let header = FrameHeader(
                length: .random(in: 0 ... .max, using: &random),
                kind: FrameKind.allCases.randomElement(using: &random)!,
                method: WireMethod(rawValue: .random(in: 0 ... .max, using: &random)),
                status: WireStatus(rawValue: .random(in: 0 ... .max, using: &random)),
                flags: .random(in: 0 ... .max, using: &random),
                stream: .random(in: 0 ... .max, using: &random),
                micros: .random(in: 0 ... .max, using: &random)
            )
            var buffer = ByteBuffer(repeating: 0, count: .random(in: 0...7, using: &random))
            buffer.moveReaderIndex(to: buffer.writerIndex)
            header.write(into: &buffer)
            #expect(try FrameHeader(reading: buffer) == header, "seed \(seed)")
        }
    }

    @Test
    func `Fewer than 16 bytes are not yet a header`() throws {
        #expect(try FrameHeader(reading: ByteBuffer(repeating: 0, count: 15)) == nil)
    }

    @Test(arguments: [
        (FrameHeader(length: 65_536, kind: .request, method: .check, stream: 1, micros: 1), FrameSender.client),
        (FrameHeader(length: 0, kind: .request, method: WireMethod(rawValue: 99), stream: .max), .client),
        (FrameHeader(length: 8, kind: .ping), .client),
        (FrameHeader(length: 8, kind: .pong), .server),
        (FrameHeader(length: 9, kind: .response, method: .check, status: .internal, stream: 7, micros: 3), .server),
        (FrameHeader(length: 9, kind: .response, status: .invalidArgument), .server),
        (FrameHeader(kind: .goAway), .server),
        (FrameHeader(length: 20, kind: .hello), .server),
    ])
    func `A header as the protocol has it is valid`(header: FrameHeader, sender: FrameSender) throws {
        try header.validate(from: sender, maxPayload: 65_536)
    }

    @Test(arguments: [
        (
            FrameHeader(length: 65_537, kind: .request, stream: 1), FrameSender.client,
            FrameError.oversize(length: 65_537, limit: 65_536)
        ),
        (FrameHeader(kind: .request, flags: 1, stream: 1), .client, .badFlags(1)),
        (FrameHeader(kind: .request, stream: 0), .client, .badStream(.request)),
        (FrameHeader(kind: .request, status: .internal, stream: 1), .client, .reservedNotZero(.request)),
        (FrameHeader(kind: .request, stream: 1), .server, .unexpectedKind(.request)),
        (FrameHeader(kind: .response, stream: 1), .client, .unexpectedKind(.response)),
        (FrameHeader(kind: .hello), .client, .unexpectedKind(.hello)),
        (FrameHeader(kind: .goAway), .client, .unexpectedKind(.goAway)),
        (FrameHeader(length: 7, kind: .ping), .client, .badLength(.ping)),
        (FrameHeader(length: 8, kind: .pong, stream: 1), .server, .badStream(.pong)),
        (FrameHeader(length: 8, kind: .ping, method: .check), .server, .reservedNotZero(.ping)),
        (FrameHeader(kind: .goAway, status: .unavailable), .server, .reservedNotZero(.goAway)),
    ])
    func `A header that breaks the protocol is refused by name`(
        header: FrameHeader,
        sender: FrameSender,
        error: FrameError
    ) {
        #expect(throws: error) { try header.validate(from: sender, maxPayload: 65_536) }
        #expect(FrameError.names.contains(error.name))
    }

    @Test
    func `An unknown kind is refused with its number`() {
        for kind in [0, 7, 255] as [UInt8] {
            let bytes = ByteBuffer(bytes: [0, 0, 0, 0, kind] + [UInt8](repeating: 0, count: 11))
            #expect(throws: FrameError.unknownKind(kind)) { try FrameHeader(reading: bytes) }
        }
    }

    @Test
    func `Only what counted, or may have, is called so`() {
        let may = (UInt8.min...UInt8.max).filter { WireStatus(rawValue: $0).mayHaveCounted }
        #expect(may == [0, 4, 13])
    }

    @Test
    func `Admin methods are those of 16 to 23`() {
        #expect((UInt8.min...UInt8.max).filter { WireMethod(rawValue: $0).isAdmin } == Array(16...23))
    }
}
